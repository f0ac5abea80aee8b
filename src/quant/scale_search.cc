#include "quant/scale_search.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "quant/rounding.h"

namespace octavo::quant {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

// One matrix of the group, or the part of a fused one.
struct Member {
  Role role;
  std::vector<float> values;  // [out, in]
  int64_t out = 0, in = 0;
  std::optional<Rounding> rounding;  // empty: it stays dense
  DenseWeight weight;
};

double squares(ThreadPool& pool, ConstMat x, const ConstMat* minus) {
  std::vector<double> rows(static_cast<size_t>(x.rows()));
  pool.each(x.rows(), [&](int64_t n, int) {
    const float *const a = x.at(n), *const b = minus != nullptr ? minus->at(n) : nullptr;
    double lanes[8] = {};
    for (int64_t k = 0; k < x.cols(); ++k) {
      const double d = b != nullptr ? static_cast<double>(a[k]) - b[k] : a[k];
      lanes[k % 8] += d * d;
    }
    for (const double lane : lanes) rows[static_cast<size_t>(n)] += lane;
  });
  double sum = 0;
  for (const double row : rows) sum += row;
  return sum;
}

class Search {
 public:
  Search(LayerJob& job, const ScaleGroup& group, const Observations& observed)
      : job_(job),
        group_(group),
        range_(observed.search),
        walk_(job.queue, observed.search_samples) {
    for (const Role role : group.to) add_member(role);
    in_ = members_.front().in;
    input_ = &input_of(observed, group.to.front());
    const Observed* const ffn =
        group.judge == ScaleGroup::Judge::both ? &input_of(observed, group.to.back()) : nullptr;
    ffn_input_ = ffn != nullptr ? ffn : input_;
    x_mean_ = shared(input_->mean_abs);
    w_mean_ = shared(weight_means());
    if (group.judge == ScaleGroup::Judge::product) {
      norm_ = product_norm();
    } else {
      reference_.resize(static_cast<size_t>(range_.rows * hidden()));
      output_.resize(reference_.size());
      run(reference_);
      norm_ = squares(job.pool(), view(reference_), nullptr);
    }
    if (!(norm_ > 0)) norm_ = 1;
  }

  FoundScales find() {
    FoundScales best{.scales = std::vector<float>(static_cast<size_t>(in_), 1.0f), .ratio = -1};
    best.loss = best.loss_one = loss(best.scales);
    const auto attempt = [&](double ratio) {
      std::vector<float> scales = scales_at(ratio);
      const double found = loss(scales);
      if (!(found < best.loss)) return;
      best.loss = found;
      best.ratio = ratio;
      best.scales = std::move(scales);
    };
    for (int i = 0; i <= 5; ++i) attempt(i / 5.0);
    for (const double step : {0.1, 0.05, 0.025}) {
      const double middle = best.ratio;
      if (middle < 0) break;
      for (const double ratio : {middle - step, middle + step}) {
        if (ratio >= 0 && ratio <= 1) attempt(ratio);
      }
    }
    best.loss /= norm_;
    best.loss_one /= norm_;
    return best;
  }

 private:
  int64_t hidden() const { return job_.work.model().spec.hidden; }
  Mat view(std::vector<float>& rows) const { return {rows.data(), {range_.rows, hidden()}}; }

  void add_member(Role role) {
    StoredMatrix* const stored = job_.work.find(role);
    const auto part = std::ranges::find(stored->parts, role, &MatrixPart::role);
    const std::vector<float> values = job_.work.values(*stored);
    const MatrixPlan& plan = job_.plan_of(*stored);
    members_.push_back(
        {.role = role,
         .values = LayerWork::part_of(*stored, *part, values),
         .out = part->out,
         .in = part->in,
         .rounding = plan.dense ? std::nullopt : std::optional(Rounding::of(plan.layout)),
         .weight = {}});
  }

  // Observations go by the first role of a stored set: up's are gate's, k's and v's are q's.
  static const Observed& input_of(const Observations& observed, Role role) {
    for (const Role first : {role, Role::q, Role::gate, Role::up}) {
      const auto found = observed.inputs.find(first);
      const bool same = first == role || (role <= Role::v && first == Role::q) ||
                        (role == Role::up && first == Role::gate);
      if (same && found != observed.inputs.end()) return found->second;
    }
    OCTAVO_CHECK(false);
    return observed.inputs.begin()->second;
  }

  // [in] mean over rows of |w| over the largest of its quantization group.
  std::vector<float> weight_means() const {
    std::vector<double> sums(static_cast<size_t>(in_));
    int64_t rows = 0;
    for (const Member& m : members_) {
      const int64_t size = m.rounding ? m.rounding->group_size : m.in;
      rows += m.out;
      job_.pool().split(in_, size, [&](int64_t begin, int64_t end, int) {
        for (int64_t o = 0; o < m.out; ++o) {
          const float* const row = m.values.data() + o * in_;
          for (int64_t first = begin; first < end; first += size) {
            const int64_t last = std::min(end, first + size);
            float most = 0;
            for (int64_t k = first; k < last; ++k) most = std::max(most, std::abs(row[k]));
            for (int64_t k = first; k < last; ++k)
              sums[static_cast<size_t>(k)] += std::abs(row[k]) / (most + 1e-6f);
          }
        }
      });
    }
    std::vector<float> means;
    for (const double sum : sums)
      means.push_back(static_cast<float>(sum / static_cast<double>(std::max<int64_t>(1, rows))));
    return means;
  }

  // Where several inputs come from one channel of v, all of them get the mean of theirs.
  std::vector<float> shared(std::vector<float> values) const {
    if (group_.sharing == 1) return values;
    const int64_t e = std::get<AttentionSpec>(job_.work.spec().mixer).head_dim;
    const int64_t heads = in_ / e;
    for (int64_t kv = 0; kv < heads / group_.sharing; ++kv) {
      for (int64_t d = 0; d < e; ++d) {
        double sum = 0;
        for (int64_t j = 0; j < group_.sharing; ++j)
          sum += values[static_cast<size_t>((kv * group_.sharing + j) * e + d)];
        for (int64_t j = 0; j < group_.sharing; ++j)
          values[static_cast<size_t>((kv * group_.sharing + j) * e + d)] =
              static_cast<float>(sum / static_cast<double>(group_.sharing));
      }
    }
    return values;
  }

  std::vector<float> scales_at(double ratio) const {
    std::vector<float> scales;
    float low = kInfinity, high = 0;
    for (int64_t k = 0; k < in_; ++k) {
      const double x = std::pow(static_cast<double>(x_mean_[static_cast<size_t>(k)]), ratio);
      const double w = std::pow(static_cast<double>(w_mean_[static_cast<size_t>(k)]), 1 - ratio);
      const double s = job_.recipe.duo_scaling ? x / (w + 1e-4) : x;
      scales.push_back(static_cast<float>(std::max(s, 1e-4)));
      low = std::min(low, scales.back());
      high = std::max(high, scales.back());
    }
    const float middle = std::sqrt(low * high);
    for (float& s : scales) {
      s /= middle;
      if (!std::isfinite(s) || s <= 0) s = 1;
    }
    return scales;
  }

  // The member's weights as they act when its columns are quantized times `scales`; with `minus`,
  // their change.
  void set_candidate(Member& m, const std::vector<float>& scales, bool minus) {
    candidate_.resize(m.values.size());
    const auto width = static_cast<size_t>(m.in);
    job_.pool().split(m.out, 1, [&](int64_t begin, int64_t end, int) {
      std::vector<float> scaled(width);
      for (int64_t o = begin; o < end; ++o) {
        const float* const row = m.values.data() + o * m.in;
        float* const result = candidate_.data() + o * m.in;
        if (m.rounding) {
          for (size_t k = 0; k < width; ++k) scaled[k] = row[k] * scales[k];
          read_back(scaled, *m.rounding, kInfinity, {result, width});
          for (size_t k = 0; k < width; ++k) result[k] /= scales[k];
        } else {
          std::copy(row, row + width, result);
        }
        if (minus) {
          for (size_t k = 0; k < width; ++k) result[k] -= row[k];
        }
      }
    });
    m.weight.set(job_.ops, job_.pool(), candidate_, m.out, m.in);
  }

  double loss(const std::vector<float>& scales) {
    if (group_.judge == ScaleGroup::Judge::product) {
      double sum = 0;
      for (Member& m : members_) {
        if (!m.rounding) continue;
        set_candidate(m, scales, true);
        sum += product(m);
      }
      return sum;
    }
    std::vector<Weight> kept;
    for (Member& m : members_) {
      set_candidate(m, scales, false);
      kept.push_back(job_.work.exchange(m.role, m.weight.weight()));
    }
    run(output_);
    for (size_t i = 0; i < members_.size(); ++i) job_.work.exchange(members_[i].role, kept[i]);
    const ConstMat reference = view(reference_);
    return squares(job_.pool(), view(output_), &reference);
  }

  // ‖x wᵀ‖² of the weights that the member was set to.
  double product(const Member& m) {
    output_.resize(static_cast<size_t>(range_.rows * m.out));
    const Mat y(output_.data(), {range_.rows, m.out});
    const Weight& weight = m.weight.weight();
    const Matmul call{.x = ConstMat(input_->rows.data(), {range_.rows, m.in}),
                      .w = &weight,
                      .y = y,
                      .compute = Compute::f32};
    job_.ops.matmul(job_.queue, {&call, 1});
    return squares(job_.pool(), y, nullptr);
  }

  double product_norm() {
    double sum = 0;
    for (Member& m : members_) {
      m.weight.set(job_.ops, job_.pool(), m.values, m.out, m.in);
      sum += product(m);
    }
    return sum;
  }

  // What the judge looks at, of the model as it is now.
  void run(std::vector<float>& out) {
    const Model& model = job_.work.model();
    const int64_t layer = job_.work.layer();
    const bool mixer = group_.judge != ScaleGroup::Judge::ffn;
    const ConstMat x(input_->rows.data(), {range_.rows, in_});
    walk_.block(model, layer, mixer ? Block::mixer : Block::ffn, range_, x, view(out));
    if (group_.judge != ScaleGroup::Judge::both) return;
    second_.resize(out.size());
    const ConstMat x_ffn(ffn_input_->rows.data(), {range_.rows, in_});
    walk_.block(model, layer, Block::ffn, range_, x_ffn, view(second_));
    for (size_t i = 0; i < out.size(); ++i) out[i] += second_[i];
  }

  LayerJob& job_;
  const ScaleGroup& group_;
  SampleRange range_;
  LayerWalk walk_;
  std::vector<Member> members_;
  int64_t in_ = 0;
  const Observed *input_ = nullptr, *ffn_input_ = nullptr;
  std::vector<float> x_mean_, w_mean_;
  std::vector<float> reference_, output_, second_, candidate_;
  double norm_ = 1;
};

}  // namespace

FoundScales search_scales(LayerJob& job, const ScaleGroup& group, const Observations& observed) {
  return Search(job, group, observed).find();
}

}  // namespace octavo::quant
