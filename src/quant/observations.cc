#include "quant/observations.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <set>

namespace octavo::quant {
namespace {

constexpr size_t kSearchSamples = 16;

class Observer {
 public:
  Observer(LayerJob& job, const ObserveOptions& options) : job_(job) {
    choose_samples(options.search_rows);
    for (InputSet& set : input_sets(job.work)) {
      Observed& observed = result_.inputs[set.first];
      observed.in = set.in;
      sums_[set.first].resize(static_cast<size_t>(set.in));
      observed.rows.resize(static_cast<size_t>(result_.search.rows * set.in));
      for (const StoredMatrix* matrix : set.matrices) {
        const MatrixPlan& plan = job.plan_of(*matrix);
        if (plan.dense || !options.moments) continue;
        const int64_t size = plan.layout.group(), tail = set.in % size;
        observed.moments[size].resize(
            static_cast<size_t>(set.in / size * size * size + tail * tail));
      }
    }
  }

  bool see(Role role, ConstMat x, const SampleRange& range) {
    const auto found = result_.inputs.find(role);
    if (found == result_.inputs.end()) return true;
    int64_t row = 0;
    for (size_t s = range.begin; s < range.end; ++s) {
      const auto count = static_cast<int64_t>(job_.samples[s].size());
      const ConstMat sample = x.slice(row, row + count);
      keep_rows(found->second, sample, s);
      add_magnitudes(sums_[role], sample);
      for (auto& [size, moments] : found->second.moments) add_moments(size, sample, moments);
      row += count;
    }
    return true;
  }

  Observations finish() {
    const auto rows = static_cast<double>(row_count(job_.samples));
    for (auto& [role, observed] : result_.inputs) {
      for (const double sum : sums_[role])
        observed.mean_abs.push_back(static_cast<float>(sum / rows));
    }
    return std::move(result_);
  }

 private:
  // Beginnings of at most kSearchSamples samples, as long as gives the wanted number of rows.
  void choose_samples(int64_t rows) {
    const size_t all = job_.samples.size(), count = std::min(kSearchSamples, all);
    const auto length = static_cast<size_t>(rows) / count;
    for (size_t i = 0; i < count; ++i) {
      const size_t s = i * all / count;
      const auto& sample = job_.samples[s];
      const size_t taken = std::clamp<size_t>(length, 1, sample.size());
      kept_[s] = {result_.search.rows, static_cast<int64_t>(taken)};
      result_.search_samples.emplace_back(sample.begin(),
                                          sample.begin() + static_cast<int64_t>(taken));
      result_.search.rows += static_cast<int64_t>(taken);
    }
    result_.search.end = count;
  }

  // The rows of sample `s`, as far as it is one of those.
  void keep_rows(Observed& observed, ConstMat x, size_t s) const {
    const auto found = kept_.find(s);
    if (found == kept_.end()) return;
    for (int64_t n = 0; n < found->second.rows; ++n) {
      std::memcpy(observed.rows.data() + (found->second.first + n) * observed.in, x.at(n),
                  static_cast<size_t>(observed.in) * sizeof(float));
    }
  }

  void add_magnitudes(std::vector<double>& sums, ConstMat x) {
    job_.pool().split(x.cols(), 64, [&](int64_t begin, int64_t end, int) {
      std::vector<float> part(static_cast<size_t>(end - begin));
      for (int64_t n = 0; n < x.rows(); ++n) {
        const float* const row = x.at(n) + begin;
        for (size_t k = 0; k < part.size(); ++k) part[k] += std::abs(row[k]);
      }
      for (size_t k = 0; k < part.size(); ++k) sums[static_cast<size_t>(begin) + k] += part[k];
    });
  }

  void add_moments(int64_t size, ConstMat x, std::vector<float>& moments) {
    for (int64_t first = 0; first < x.cols(); first += size) {
      const int64_t count = std::min(size, x.cols() - first);
      const ConstMat part(x.data + first, {x.rows(), count}, {x.stride[0], 1});
      job_.ops.gemm(job_.queue,
                    {.a = part,
                     .b = part,
                     .c = Mat(moments.data() + moments_offset(first / size, size), {count, count}),
                     .form = GemmForm::atb,
                     .into = Into::add});
    }
  }

  struct Kept {
    int64_t first = 0, rows = 0;  // where a sample's rows go, and how many of them
  };

  LayerJob& job_;
  Observations result_;
  std::map<size_t, Kept> kept_;
  std::map<Role, std::vector<double>> sums_;
};

}  // namespace

Observations observe(LayerJob& job, const ObserveOptions& options) {
  Observer observer(job, options);
  std::vector<float> buffer;
  const int64_t hidden = job.work.model().spec.hidden;
  for (const SampleRange& range : job.ranges) {
    buffer.resize(static_cast<size_t>(range.rows * hidden));
    const Mat x(buffer.data(), {range.rows, hidden});
    job.states->read(range.first_row, x);
    const Tap tap{.linear_input = [&](int64_t, Role role, ConstMat input) {
      return observer.see(role, input, range);
    }};
    job.walk.layer(job.work.model(), job.work.layer(), range, x, &tap);
    if (options.advance) job.states->write(range.first_row, x);
  }
  return observer.finish();
}

}  // namespace octavo::quant
