#include "model/precision.h"

#include <gtest/gtest.h>

#include "octavo/error.h"

namespace octavo {
namespace {

constexpr StoredPrecision kBf16{.bf16_or_blocks = true}, kF16Codes{.f16 = true, .quantized = true};
constexpr StoredPrecision kBf16Codes{.bf16_or_blocks = true, .quantized = true};

TEST(Precision, rounds_activations_and_head_of_quantized_models_by_default) {
  for (const StoredPrecision& stored : {kBf16Codes, kF16Codes}) {
    const Precision p = settle_precision({}, stored);
    EXPECT_EQ(p.dense, Compute::bf16);
    EXPECT_EQ(p.quantized, Compute::int8);
    EXPECT_EQ(p.kv, DType::bf16);
    EXPECT_TRUE(p.int8_head);
    EXPECT_FALSE(p.int8_dense);
  }
}

TEST(Precision, keeps_dense_models_as_they_are) {
  EXPECT_EQ(settle_precision({}, kBf16).dense, Compute::bf16);
  EXPECT_FALSE(settle_precision({}, kBf16).int8_head);
  EXPECT_EQ(settle_precision({}, {.f16 = true}).dense, Compute::f32);
  EXPECT_EQ(settle_precision({}, {}).kv, DType::f32);
}

TEST(Precision, is_float_throughout_where_float32_is_asked_for) {
  const Precision p = settle_precision({.dtype = DTypeChoice::float32}, kBf16Codes);
  EXPECT_EQ(p.dense, Compute::f32);
  EXPECT_EQ(p.quantized, Compute::f32);
  EXPECT_EQ(p.kv, DType::f32);
  EXPECT_FALSE(p.int8_head);
  for (DenseChoice dense : {DenseChoice::head, DenseChoice::all}) {
    EXPECT_THROW(
        settle_precision({.dtype = DTypeChoice::float32, .quantize_dense = dense}, kBf16Codes),
        Error);
  }
}

TEST(Precision, does_what_each_flag_says) {
  const Precision exact = settle_precision(
      {.activations = ActivationChoice::exact, .quantize_dense = DenseChoice::none}, kBf16Codes);
  EXPECT_EQ(exact.quantized, Compute::bf16);
  EXPECT_FALSE(exact.int8_head);
  const Precision rounded = settle_precision(
      {.dtype = DTypeChoice::float32, .activations = ActivationChoice::int8}, kBf16Codes);
  EXPECT_EQ(rounded.quantized, Compute::int8);
  EXPECT_EQ(rounded.dense, Compute::f32);
  EXPECT_TRUE(settle_precision({.quantize_dense = DenseChoice::head}, kBf16).int8_head);
  EXPECT_TRUE(settle_precision({.quantize_dense = DenseChoice::all}, kBf16).int8_dense);
}

}  // namespace
}  // namespace octavo
