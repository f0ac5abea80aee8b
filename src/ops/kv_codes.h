#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <span>

#include "base/half.h"

// How elements of a KV cache become 8 bits. Every table writes the same codes. What is not finite
// must not become a number: it turns into NaN, so that the sampler finds the row broken.
namespace octavo {

// int8: x ≈ code · scale, |code| <= 127, one scale a token and head. The scale is rounded up to
// bf16 (an f16 would lose small ones), so the largest element needs no clipping; NaN unless all
// elements are finite.
inline BFloat16 kv_scale(std::span<const float> x) {
  float most = 0;
  bool finite = true;
  for (const float v : x) {
    finite &= std::abs(v) <= std::numeric_limits<float>::max();
    most = std::max(most, std::abs(v));
  }
  if (!finite) return {0x7FC0};
  if (most < 1e-30f) return {0};  // its inverse must be finite
  return {static_cast<uint16_t>((std::bit_cast<uint32_t>(most / 127) + 0xFFFF) >> 16)};
}
// 1 / scale; 0 for a scale of 0 or NaN, whose codes are all 0.
inline float kv_inverse(BFloat16 scale) {
  const float s = to_float(scale);
  return s > 0 ? 1 / s : 0;
}
inline int8_t kv_code(float x, float inverse) {
  if (inverse == 0) return 0;
  return static_cast<int8_t>(std::clamp(std::nearbyint(x * inverse), -127.0f, 127.0f));
}

// The 8-bit floats of "FP8 Formats for Deep Learning" (2209.05433), to nearest even; larger ones
// become the largest finite number.
namespace kv_codes {
// kMantissa bits of the mantissa are kept; exponents are biased by kBias.
template <int kMantissa, int kBias>
inline uint8_t to_float8(float v, float largest) {
  const auto bits = std::bit_cast<uint32_t>(v);
  const auto sign = static_cast<uint8_t>(bits >> 24 & 0x80);
  if (!(std::abs(v) <= std::numeric_limits<float>::max())) return sign | 0x7F;
  const float magnitude = std::min(std::abs(v), largest);
  constexpr int kDropped = 23 - kMantissa;
  constexpr auto kSmallest = std::bit_cast<float>((128u - kBias) << 23);
  // Below the normal numbers: adding this aligns the last bit kept with the last bit of a float.
  constexpr auto kAlign =
      std::bit_cast<uint32_t>(kSmallest) + (static_cast<uint32_t>(kDropped) << 23);
  if (magnitude < kSmallest) {
    const float aligned = magnitude + std::bit_cast<float>(kAlign);
    return sign | static_cast<uint8_t>(std::bit_cast<uint32_t>(aligned) - kAlign);
  }
  const uint32_t rebased = std::bit_cast<uint32_t>(magnitude) - ((127u - kBias) << 23);
  constexpr uint32_t kHalf = (1u << (kDropped - 1)) - 1;
  return sign | static_cast<uint8_t>((rebased + kHalf + (rebased >> kDropped & 1)) >> kDropped);
}
}  // namespace kv_codes

inline uint8_t to_float8_e4m3(float v) { return kv_codes::to_float8<3, 7>(v, 448); }
inline uint8_t to_float8_e5m2(float v) { return kv_codes::to_float8<2, 15>(v, 57344); }

}  // namespace octavo
