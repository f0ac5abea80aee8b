#include "tensor/convert.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

namespace octavo {
namespace {

template <class T>
std::vector<float> floats(DType type, const std::vector<T>& values) {
  std::vector<float> out(values.size());
  to_floats(type, std::as_bytes(std::span(values)), out);
  return out;
}

// Sign, exponent and mantissa as the paper's table 1 gives them; no special values.
double plain_value(int bits, int exponent_bits, int mantissa_bits, int bias) {
  const int exponent = bits >> mantissa_bits & ((1 << exponent_bits) - 1);
  const int mantissa = bits & ((1 << mantissa_bits) - 1);
  const double fraction = std::ldexp(mantissa, -mantissa_bits);
  const double value =
      exponent == 0 ? std::ldexp(fraction, 1 - bias) : std::ldexp(1 + fraction, exponent - bias);
  return bits & 0x80 ? -value : value;
}

TEST(Convert, knows_every_e4m3) {
  for (int bits = 0; bits < 256; ++bits) {
    const float value = float8_e4m3(static_cast<uint8_t>(bits));
    if ((bits & 0x7F) == 0x7F) {
      EXPECT_TRUE(std::isnan(value)) << bits;
      continue;
    }
    EXPECT_EQ(value, plain_value(bits, 4, 3, 7)) << bits;
    EXPECT_EQ(std::signbit(value), bits >= 128) << bits;
  }
  EXPECT_EQ(float8_e4m3(0x7E), 448);
  EXPECT_EQ(float8_e4m3(0x01), 0x1p-9f);
}

TEST(Convert, knows_every_e5m2) {
  for (int bits = 0; bits < 256; ++bits) {
    const float value = float8_e5m2(static_cast<uint8_t>(bits));
    const int magnitude = bits & 0x7F;
    if (magnitude > 0x7C) {
      EXPECT_TRUE(std::isnan(value)) << bits;
    } else if (magnitude == 0x7C) {
      EXPECT_TRUE(std::isinf(value)) << bits;
    } else {
      EXPECT_EQ(value, plain_value(bits, 5, 2, 15)) << bits;
    }
    EXPECT_EQ(std::signbit(value), bits >= 128) << bits;
  }
  EXPECT_EQ(float8_e5m2(0x7B), 57344);
}

TEST(Convert, knows_every_e8m0) {
  for (int bits = 0; bits < 255; ++bits)
    EXPECT_EQ(float8_e8m0(static_cast<uint8_t>(bits)), std::ldexp(1.0, bits - 127)) << bits;
  EXPECT_TRUE(std::isnan(float8_e8m0(255)));
}

TEST(Convert, rounds_doubles_to_nearest_and_keeps_what_is_no_number) {
  const auto out = floats<double>(DType::f64, {1.0 + 0x1p-24, 1.0 + 0x3p-25, -0x1p-149, 0x1p-151,
                                               3.5e38, -INFINITY, NAN, -0.0});
  EXPECT_EQ(out[0], 1.0f);  // a tie, to even
  EXPECT_EQ(out[1], 1.0f + 0x1p-23f);
  EXPECT_EQ(out[2], -0x1p-149f);
  EXPECT_EQ(out[3], 0.0f);
  EXPECT_EQ(out[4], INFINITY);
  EXPECT_EQ(out[5], -INFINITY);
  EXPECT_TRUE(std::isnan(out[6]));
  EXPECT_TRUE(std::signbit(out[7]));
}

TEST(Convert, widens_whole_numbers) {
  EXPECT_EQ(floats<int8_t>(DType::i8, {-128, 127}), (std::vector<float>{-128, 127}));
  EXPECT_EQ(floats<uint8_t>(DType::u8, {0, 255}), (std::vector<float>{0, 255}));
  EXPECT_EQ(floats<uint8_t>(DType::boolean, {0, 1, 2}), (std::vector<float>{0, 1, 1}));
  EXPECT_EQ(floats<int16_t>(DType::i16, {-32768}), (std::vector<float>{-32768}));
  EXPECT_EQ(floats<uint16_t>(DType::u16, {65535}), (std::vector<float>{65535}));
  EXPECT_EQ(floats<int32_t>(DType::i32, {INT32_MIN, 16777217}),
            (std::vector<float>{-0x1p31f, 16777216}));
  EXPECT_EQ(floats<uint32_t>(DType::u32, {UINT32_MAX}), (std::vector<float>{0x1p32f}));
  EXPECT_EQ(floats<int64_t>(DType::i64, {INT64_MIN, -1}), (std::vector<float>{-0x1p63f, -1}));
  EXPECT_EQ(floats<uint64_t>(DType::u64, {UINT64_MAX}), (std::vector<float>{0x1p64f}));
}

TEST(Convert, widens_halves_from_any_alignment) {
  const std::vector<uint16_t> bits{0x3C00, 0x0001, 0x7C00, 0xFE00};
  std::vector<std::byte> raw(9);
  std::memcpy(raw.data() + 1, bits.data(), 8);
  std::vector<float> out(4);
  to_floats(DType::f16, std::span(raw).subspan(1), out);
  EXPECT_EQ(out[0], 1.0f);
  EXPECT_EQ(out[1], 0x1p-24f);
  EXPECT_EQ(out[2], INFINITY);
  EXPECT_TRUE(std::isnan(out[3]));
  to_floats(DType::bf16, std::span(raw).subspan(1), out);
  EXPECT_EQ(out[0], 0x1p-7f);
}

}  // namespace
}  // namespace octavo
