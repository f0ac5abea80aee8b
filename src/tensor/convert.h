#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>

#include "tensor/dtype.h"

namespace octavo {

// The 8-bit floats of "FP8 Formats for Deep Learning" (2209.05433): e4m3 has no infinity, its
// largest magnitude is 448 and 0x7F is NaN; e5m2 is the upper byte of a float16. e8m0 is an
// exponent alone (OCP Microscaling 1.0, section 5.4), 0xFF is NaN.
inline float float8_e4m3(uint8_t bits) {
  const uint32_t sign = static_cast<uint32_t>(bits & 0x80) << 24;
  const uint32_t exponent = bits >> 3 & 0xF, mantissa = bits & 7;
  if ((bits & 0x7F) == 0x7F) return std::bit_cast<float>(sign | 0x7FC00000);
  if (exponent != 0) return std::bit_cast<float>(sign | (exponent + 120) << 23 | mantissa << 20);
  return std::bit_cast<float>(sign |
                              std::bit_cast<uint32_t>(static_cast<float>(mantissa) * 0x1p-9f));
}
float float8_e5m2(uint8_t bits);
inline float float8_e8m0(uint8_t bits) {
  if (bits == 0xFF) return std::bit_cast<float>(0x7FC00000);
  return bits == 0 ? 0x1p-127f : std::bit_cast<float>(static_cast<uint32_t>(bits) << 23);
}

// out[i] = element i of `in` as float: exact for all types of 16 bits and less, else rounded to
// nearest (f64 beyond float's range becomes infinite; NaN stays NaN). REQUIRES: in.size() is
// out.size() elements of `from`, at any alignment.
void to_floats(DType from, std::span<const std::byte> in, std::span<float> out);

// The other way, rounded to nearest even. REQUIRES: f32, f16 or bf16; out.size() is in.size()
// elements of `to`.
void from_floats(DType to, std::span<const float> in, std::span<std::byte> out);

}  // namespace octavo
