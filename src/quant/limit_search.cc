#include "quant/limit_search.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "quant/rounding.h"

namespace octavo::quant {
namespace {

constexpr int64_t kRowsAProduct = 256;
constexpr float kInfinity = std::numeric_limits<float>::infinity();

std::vector<bool> searched_rows(const StoredMatrix& matrix) {
  std::vector<bool> searched(static_cast<size_t>(matrix.shape.out), true);
  for (const MatrixPart& part : matrix.parts) {
    if (part.role != Role::q && part.role != Role::k) continue;
    for (const int64_t row : matrix.rows(part)) searched[static_cast<size_t>(row)] = false;
  }
  return searched;
}

class LimitSearch {
 public:
  LimitSearch(LayerJob& job, std::span<const float> values, int64_t in, const Rounding& rounding)
      : job_(job), values_(values), in_(in), rounding_(rounding) {}

  // Errors [rows, kLimitSteps] of rows `rows` in the group of `count` inputs from `first`.
  void errors(std::span<const int64_t> rows, int64_t first, int64_t count, ConstMat moments) {
    const auto n = static_cast<int64_t>(rows.size());
    change_.resize(static_cast<size_t>(n * kLimitSteps * count));
    product_.resize(change_.size());
    errors_.resize(static_cast<size_t>(n * kLimitSteps));
    const Mat change(change_.data(), {n * kLimitSteps, count});
    const Mat product(product_.data(), {n * kLimitSteps, count});
    job_.pool().split(n, 1, [&](int64_t begin, int64_t end, int) {
      for (int64_t r = begin; r < end; ++r) {
        const float* const w = values_.data() + rows[static_cast<size_t>(r)] * in_ + first;
        const std::span<const float> group(w, static_cast<size_t>(count));
        const float most = largest(group);
        for (int i = 0; i < kLimitSteps; ++i) {
          float* const out = change.at(r * kLimitSteps + i);
          read_back(group, rounding_, limit_at(most, i), {out, group.size()});
          for (int64_t k = 0; k < count; ++k) out[k] -= w[k];
        }
      }
    });
    job_.ops.gemm(job_.queue, {.a = change, .b = moments, .c = product});
    job_.pool().split(n * kLimitSteps, 1, [&](int64_t begin, int64_t end, int) {
      for (int64_t r = begin; r < end; ++r) {
        const float *const d = change.at(r), *const y = product.at(r);
        float lanes[8] = {};
        int64_t k = 0;
        for (; k + 8 <= count; k += 8) {
          for (int64_t j = 0; j < 8; ++j) lanes[j] += d[k + j] * y[k + j];
        }
        double sum = 0;
        for (; k < count; ++k) sum += static_cast<double>(d[k]) * y[k];
        for (const float lane : lanes) sum += lane;
        errors_[static_cast<size_t>(r)] = sum;
      }
    });
  }

  // The first smallest error of row r of the last call.
  int best(size_t r) const {
    const auto begin = errors_.begin() + static_cast<int64_t>(r) * kLimitSteps;
    return static_cast<int>(std::min_element(begin, begin + kLimitSteps) - begin);
  }

  static float limit_at(float most, int i) {
    return i == 0 ? kInfinity : most * (1 - static_cast<float>(i) / 20);
  }
  static float largest(std::span<const float> group) {
    float most = 0;
    for (const float v : group) most = std::max(most, std::abs(v));
    return most;
  }

 private:
  LayerJob& job_;
  std::span<const float> values_;
  int64_t in_;
  Rounding rounding_;
  std::vector<float> change_, product_;
  std::vector<double> errors_;
};

}  // namespace

FoundLimits search_limits(LayerJob& job, const StoredMatrix& matrix, std::span<const float> values,
                          const Observed& observed, std::span<const float> input_divisors) {
  const MatrixPlan& plan = job.plan_of(matrix);
  const Rounding rounding = Rounding::of(plan.layout);
  const int64_t in = matrix.shape.in, size = rounding.group_size, groups = plan.layout.groups();
  const std::vector<float>& sums = observed.moments.at(size);
  FoundLimits found{
      .limits = std::vector<float>(static_cast<size_t>(matrix.shape.out * groups), kInfinity),
      .clipped = std::vector<int64_t>(kLimitSteps)};
  std::vector<int64_t> rows;
  const std::vector<bool> searched = searched_rows(matrix);
  for (int64_t o = 0; o < matrix.shape.out; ++o) {
    if (searched[static_cast<size_t>(o)]) rows.push_back(o);
  }
  LimitSearch search(job, values, in, rounding);
  std::vector<float> moments;
  for (int64_t g = 0; g < groups; ++g) {
    const int64_t first = g * size, count = std::min(size, in - first);
    moments.resize(static_cast<size_t>(count * count));
    for (int64_t i = 0; i < count; ++i) {
      for (int64_t j = 0; j < count; ++j) {
        const float divisor = input_divisors.empty()
                                  ? 1
                                  : input_divisors[static_cast<size_t>(first + i)] *
                                        input_divisors[static_cast<size_t>(first + j)];
        const auto at = static_cast<size_t>(i * count + j);
        moments[at] = sums[moments_offset(g, size) + at] / divisor;
      }
    }
    for (size_t begin = 0; begin < rows.size(); begin += kRowsAProduct) {
      const auto some =
          std::span(rows).subspan(begin, std::min<size_t>(kRowsAProduct, rows.size() - begin));
      search.errors(some, first, count, ConstMat(moments.data(), {count, count}));
      for (size_t r = 0; r < some.size(); ++r) {
        const int step = search.best(r);
        ++found.clipped[static_cast<size_t>(step)];
        const std::span<const float> group(values.data() + some[r] * in + first,
                                           static_cast<size_t>(count));
        found.limits[static_cast<size_t>(some[r] * groups + g)] =
            LimitSearch::limit_at(LimitSearch::largest(group), step);
      }
    }
  }
  return found;
}

}  // namespace octavo::quant
