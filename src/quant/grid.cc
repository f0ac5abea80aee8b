#include "quant/grid.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "base/half.h"
#include "quant/vectors.h"

namespace octavo::quant {
namespace {

struct Range {
  float low = 0, high = 0;
};

Range range_of(std::span<const float> group) {
  Range range;
  for (const float v : group) {
    if (!std::isfinite(v)) continue;
    range.low = std::min(range.low, v);
    range.high = std::max(range.high, v);
  }
  if (range.low == 0 && range.high == 0) return {-1, 1};
  return range;
}

Grid grid_of(Range range, const GridRule& rule) {
  const int last = (1 << rule.bits) - 1;
  if (rule.symmetric) {
    const float largest = std::max(-range.low, range.high);
    return {.scale = storable_scale(2 * (largest / static_cast<float>(last)), rule.scale_dtype),
            .zero = 1 << (rule.bits - 1)};
  }
  const float scale =
      storable_scale(range.high / static_cast<float>(last) - range.low / static_cast<float>(last),
                     rule.scale_dtype);
  const float exact = std::min(-range.low / scale, static_cast<float>(last));
  const int zero = static_cast<int>(std::nearbyint(exact));
  if (zero >= rule.lowest_zero) return {.scale = scale, .zero = zero};
  const float steps = static_cast<float>(last - rule.lowest_zero);
  return {.scale = storable_scale(std::max(range.high / steps, scale), rule.scale_dtype),
          .zero = rule.lowest_zero};
}

// Four of `values` from k on; past the end 0, which has no error.
F4 four(std::span<const float> values, size_t k) {
  if (k + 4 <= values.size()) return load4(values.data() + k);
  float rest[4] = {};
  std::copy(values.begin() + static_cast<ptrdiff_t>(k), values.end(), rest);
  return load4(rest);
}

// Σ importance · |q(w) - w|^power over a group.
struct Errors {
  std::span<const float> group, importance;  // importance empty: 1
  int bits;
  float power;

  double of(const Grid& grid) const {
    const F4 scale = splat(grid.scale), inverse = 1.0f / scale;
    const F4 low = splat(static_cast<float>(-grid.zero));
    const F4 high = low + static_cast<float>((1 << bits) - 1);
    F4 sum = splat(0);
    for (size_t k = 0; k < group.size(); k += 4) {
      const F4 w = four(group, k);
      const F4 error = round4(max4(min4(w * inverse, high), low)) * scale - w;
      const F4 cost = power == 2 ? error * error : power4(error, power);
      sum += importance.empty() ? cost : cost * four(importance, k);
    }
    return double{sum[0]} + sum[1] + sum[2] + sum[3];
  }
};

// The better of `best` and the grids offered.
struct Search {
  Errors errors;
  Range range;
  const GridRule& rule;
  Grid best = {};
  double least = HUGE_VAL;
  float share = 1;  // of the range, in the best

  bool offer(const Grid& grid) {
    const double error = errors.of(grid);
    if (!(error < least)) return false;
    least = error;
    best = grid;
    return true;
  }
  // `zeros`: how far beside the exact zero point others are tried.
  void offer(float part, int zeros) {
    const Grid grid = grid_of({range.low * part, range.high * part}, rule);
    bool better = offer(grid);
    for (const int step : {-zeros, zeros}) {
      const int zero = grid.zero + step;
      if (step != 0 && zero >= rule.lowest_zero && zero < 1 << rule.bits)
        better |= offer(Grid{grid.scale, zero});
    }
    if (better) share = part;
  }
};

}  // namespace

float storable_scale(float scale, DType dtype) {
  if (dtype == DType::f32) return std::clamp(scale, 0x1p-126f, 0x1.fffffep127f);
  if (dtype == DType::bf16) {
    return std::clamp(to_float(to_bfloat16(scale)), 0x1p-126f, 0x1.fep127f);
  }
  return std::clamp(to_float(to_float16(scale)), 0x1p-24f, 65504.0f);
}

int code_of(float w, const Grid& grid, int bits) {
  return std::clamp(static_cast<int>(std::nearbyint(w / grid.scale)) + grid.zero, 0,
                    (1 << bits) - 1);
}

Grid fit_range(std::span<const float> group, const GridRule& rule,
               std::span<const float> importance) {
  OCTAVO_CHECK(rule.bits >= 2 && rule.bits <= 8 && rule.lowest_zero < 1 << rule.bits);
  OCTAVO_CHECK(importance.empty() || importance.size() == group.size());
  const Range range = range_of(group);
  if (!(rule.mse > 0) && importance.empty()) return grid_of(range, rule);
  const float power = rule.mse > 0 ? rule.mse : 2;
  Search search{.errors = {group, importance, rule.bits, power}, .range = range, .rule = rule};
  search.best = grid_of(range, rule);
  const int zeros = rule.bits == 2 && !rule.symmetric ? 1 : 0;
  search.offer(1, zeros);
  if (rule.mse > 0) {
    for (int i = 1; i < 80; ++i) search.offer(1 - static_cast<float>(i) / 100, zeros);
    return search.best;
  }
  for (int i = 1; i < 14; ++i) search.offer(1 - static_cast<float>(i) / 20, zeros);
  for (const float step : {0.025f, 0.0125f}) {
    const float middle = search.share;
    const int beside = rule.bits <= 4 && !rule.symmetric ? 1 : 0;
    for (const float sign : {-1.0f, 1.0f}) search.offer(middle + sign * step, beside);
  }
  return search.best;
}

uint8_t nearest_code(float w, const Grid& grid, int bits) {
  const F4 zero = splat(static_cast<float>(grid.zero));
  const F4 high = splat(static_cast<float>((1 << bits) - 1)) - zero;
  return static_cast<uint8_t>((round4(max4(min4(splat(w) / grid.scale, high), -zero)) + zero)[0]);
}

}  // namespace octavo::quant
