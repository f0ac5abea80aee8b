#include "tensor/convert.h"

#include <cstring>

#include "base/check.h"
#include "base/half.h"

namespace octavo {
namespace {

template <class T>
float plain(T value) {
  return static_cast<float>(value);
}

template <class T, class Convert>
void each(std::span<const std::byte> in, std::span<float> out, Convert convert) {
  OCTAVO_CHECK(in.size() == out.size() * sizeof(T));
  for (size_t i = 0; i < out.size(); ++i) {
    T value;
    std::memcpy(&value, in.data() + i * sizeof(T), sizeof(T));
    out[i] = convert(value);
  }
}

}  // namespace

float float8_e5m2(uint8_t bits) { return to_float(Float16{static_cast<uint16_t>(bits << 8)}); }

void to_floats(DType from, std::span<const std::byte> in, std::span<float> out) {
  switch (from) {
    case DType::f64:
      return each<double>(in, out, plain<double>);
    case DType::f32:
      return each<float>(in, out, plain<float>);
    case DType::f16:
      return each<Float16>(in, out, [](Float16 v) { return to_float(v); });
    case DType::bf16:
      return each<BFloat16>(in, out, [](BFloat16 v) { return to_float(v); });
    case DType::i64:
      return each<int64_t>(in, out, plain<int64_t>);
    case DType::i32:
      return each<int32_t>(in, out, plain<int32_t>);
    case DType::i16:
      return each<int16_t>(in, out, plain<int16_t>);
    case DType::i8:
      return each<int8_t>(in, out, plain<int8_t>);
    case DType::u64:
      return each<uint64_t>(in, out, plain<uint64_t>);
    case DType::u32:
      return each<uint32_t>(in, out, plain<uint32_t>);
    case DType::u16:
      return each<uint16_t>(in, out, plain<uint16_t>);
    case DType::u8:
      return each<uint8_t>(in, out, plain<uint8_t>);
    case DType::boolean:
      return each<uint8_t>(in, out, [](uint8_t v) { return v != 0 ? 1.0f : 0.0f; });
    case DType::f8_e4m3:
      return each<uint8_t>(in, out, float8_e4m3);
    case DType::f8_e5m2:
      return each<uint8_t>(in, out, float8_e5m2);
    case DType::f8_e8m0:
      return each<uint8_t>(in, out, float8_e8m0);
  }
}

void from_floats(DType to, std::span<const float> in, std::span<std::byte> out) {
  OCTAVO_CHECK(out.size() == in.size() * static_cast<size_t>(size_bytes(to)));
  const auto store = [&](auto convert) {
    for (size_t i = 0; i < in.size(); ++i) {
      const auto value = convert(in[i]);
      std::memcpy(out.data() + i * sizeof(value), &value, sizeof(value));
    }
  };
  if (to == DType::f16) return store([](float v) { return to_float16(v); });
  if (to == DType::bf16) return store([](float v) { return to_bfloat16(v); });
  OCTAVO_CHECK(to == DType::f32);
  std::memcpy(out.data(), in.data(), out.size());
}

}  // namespace octavo
