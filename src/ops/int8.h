#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <limits>

// The arithmetic of Compute::int8, said once for every table. A unit is a group of a quantized
// matrix's inputs, or each 128 of a longer one (the last may be shorter). Of each row of x a unit
// becomes a scale s and integers a in [-127, 127], x ≈ a · s. A product then adds unit after unit,
// in float:
//
//   total = fma(s · Σ (code - zero) · a, scale of the weights, total)     the Σ in integers, exact
//   total = fma(-(s · Σ a), minimum of the weights, total)                formats with minima
//
// from total = 0, so every table that keeps to this order has the same bits for any number of rows.
// |Σ| < 2^23 (255 · 127 · 128), hence exact as a float too.

namespace octavo {

inline constexpr int64_t kInt8Unit = 128;

inline int64_t int8_unit(int64_t group_size) { return std::min(group_size, kInt8Unit); }
inline int64_t int8_units_of_group(int64_t group_size) {
  return (group_size + kInt8Unit - 1) / kInt8Unit;
}

// a = round to nearest even(x · inverse).
struct Int8Rounding {
  float scale, inverse;
};

// The rounding of a unit whose largest |x| has these bits. Where that is infinite or no number the
// scale is NaN, and so is what the row gives; below 2^-100 the unit counts as zeros.
inline Int8Rounding int8_rounding(uint32_t largest_bits) {
  if (largest_bits >= 0x7F800000u) return {std::numeric_limits<float>::quiet_NaN(), 0};
  const float largest = std::bit_cast<float>(largest_bits);
  if (largest < 0x1p-100f) return {0, 0};
  return {largest / 127, 127 / largest};
}

}  // namespace octavo
