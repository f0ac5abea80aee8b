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

// Σ |q(w) - w|^power over the group, four at a time; the rest counts as 0, which has no error.
double error_of(std::span<const float> group, const Grid& grid, const GridRule& rule) {
  const F4 scale = splat(grid.scale);
  const F4 low = splat(static_cast<float>(-grid.zero));
  const F4 high = splat(static_cast<float>((1 << rule.bits) - 1 - grid.zero));
  F4 sum = splat(0);
  for (size_t k = 0; k < group.size(); k += 4) {
    float rest[4] = {};
    if (k + 4 > group.size()) std::copy(group.begin() + k, group.end(), rest);
    const F4 w = load4(k + 4 > group.size() ? rest : group.data() + k);
    const F4 error = round4(max4(min4(w / scale, high), low)) * scale - w;
    sum += rule.mse == 2 ? error * error : power4(error, rule.mse);
  }
  return double{sum[0]} + sum[1] + sum[2] + sum[3];
}

// The better of `best` and the grids at this range.
struct Search {
  std::span<const float> group;
  const GridRule& rule;
  Grid best = {};
  double least = HUGE_VAL;

  void offer(const Grid& grid) {
    const double error = error_of(group, grid, rule);
    if (!(error < least)) return;
    least = error;
    best = grid;
  }
  void offer(Range range) {
    const Grid grid = grid_of(range, rule);
    offer(grid);
    if (rule.bits != 2 || rule.symmetric) return;
    for (const int step : {-1, 1}) {
      const int zero = grid.zero + step;
      if (zero >= rule.lowest_zero && zero < 1 << rule.bits) offer(Grid{grid.scale, zero});
    }
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

Grid fit_range(std::span<const float> group, const GridRule& rule) {
  OCTAVO_CHECK(rule.bits >= 2 && rule.bits <= 8 && rule.lowest_zero < 1 << rule.bits);
  const Range range = range_of(group);
  const Grid whole = grid_of(range, rule);
  if (!(rule.mse > 0)) return whole;
  Search search{.group = group, .rule = rule, .best = whole};
  for (int i = 0; i < 80; ++i) {
    const float share = 1 - static_cast<float>(i) / 100;
    search.offer(Range{range.low * share, range.high * share});
  }
  return search.best;
}

uint8_t nearest_code(float w, const Grid& grid, int bits) {
  const F4 zero = splat(static_cast<float>(grid.zero));
  const F4 high = splat(static_cast<float>((1 << bits) - 1)) - zero;
  return static_cast<uint8_t>((round4(max4(min4(splat(w) / grid.scale, high), -zero)) + zero)[0]);
}

}  // namespace octavo::quant
