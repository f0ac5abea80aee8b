#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace octavo {

// Element types as checkpoints store them.
enum class DType : uint8_t {
  f64,
  f32,
  f16,
  bf16,
  i64,
  i32,
  i16,
  i8,
  u8,
  boolean,
  f8_e4m3,
  f8_e5m2,
  u64,
  u32,
  u16,
  f8_e8m0  // powers of two, of scales
};

int64_t size_bytes(DType type);
// The names of safetensors: "F32", "BF16", ...
std::string_view name(DType type);
std::optional<DType> dtype_from_name(std::string_view name);

// How products are formed, whatever the storage: `f32` multiplies in float; `bf16` rounds both
// factors to bfloat16 and adds in float, which the hardware does 2 to 16 times as fast; `int8`
// rounds x to 8-bit integers by groups and multiplies them with the codes of a quantized matrix
// (ops/int8.h), dense ones as bf16.
enum class Compute : uint8_t { f32, bf16, int8 };

}  // namespace octavo
