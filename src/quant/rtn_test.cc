#include "quant/rtn.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "tensor/weight.h"

namespace octavo::quant {
namespace {

std::vector<float> random_rows(int64_t count, unsigned seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal(0, 0.05f);
  std::vector<float> values(count);
  for (float& v : values) v = normal(generator);
  return values;
}

TEST(FitGrid, asymmetric_spans_the_values_and_zero) {
  const std::vector<float> group{0.2f, 1.7f, 0.5f, 0.9f};
  const Grid grid = fit_grid(group, 4, false, DType::f32);
  EXPECT_EQ(grid.zero, 0);
  EXPECT_FLOAT_EQ(grid.scale, 1.7f / 15);
  EXPECT_EQ(code_of(0, grid, 4), 0);
  EXPECT_EQ(code_of(1.7f, grid, 4), 15);
}

TEST(FitGrid, symmetric_puts_the_largest_on_the_last_code) {
  const std::vector<float> group{-0.7f, 0.1f};
  const Grid grid = fit_grid(group, 4, true, DType::f32);
  EXPECT_EQ(grid.zero, 8);
  EXPECT_EQ(code_of(-0.7f, grid, 4), 1);
  EXPECT_EQ(code_of(0.7f, grid, 4), 15);
}

TEST(FitGrid, keeps_all_zero_groups_exact) {
  const std::vector<float> group(32, 0.0f);
  for (bool symmetric : {false, true}) {
    const Grid grid = fit_grid(group, 4, symmetric, DType::bf16);
    EXPECT_EQ(code_of(0, grid, 4), grid.zero);
    EXPECT_TRUE(std::isfinite(grid.scale) && grid.scale > 0);
  }
}

TEST(RoundRows, packs_what_element_unpacks_within_half_a_step) {
  constexpr int64_t kIn = 96, kRows = 5, kGroup = 32;
  const auto values = random_rows(kRows * kIn, 1);
  for (int bits : {2, 3, 4, 8}) {
    const PackedRows packed = round_rows(values, kIn, bits, kGroup, false, DType::f32);
    const Weight w{.format = {.scheme = Scheme::affine,
                              .dtype = DType::f32,
                              .bits = bits,
                              .group_size = kGroup},
                   .out = kRows,
                   .in = kIn,
                   .data = packed.data,
                   .scales = packed.scales,
                   .zeros = std::as_bytes(std::span(packed.zeros))};
    const auto bytes = plane_bytes(w.format, kRows, kIn);
    ASSERT_EQ(bytes.data, packed.data.size());
    double error = 0;
    for (int64_t r = 0; r < kRows; ++r) {
      for (int64_t k = 0; k < kIn; ++k) {
        const auto group = std::span(values).subspan(r * kIn + k / kGroup * kGroup, kGroup);
        const Grid grid = fit_grid(group, bits, false, DType::f32);
        const double off = std::abs(element(w, r, k) - values[r * kIn + k]);
        // Rounding the zero moves the ends of the range by up to half a step, which clamping then
        // costs.
        EXPECT_LE(off, grid.scale * 1.0001) << bits << " bits, row " << r << ", input " << k;
        error += off * off;
      }
    }
    // element() multiplies in float, the quantizer adds up in double.
    EXPECT_NEAR(packed.squared_error, error, 1e-4 * error);
  }
}

TEST(RoundRows, loses_less_with_more_bits_and_smaller_groups) {
  const auto values = random_rows(4 * 256, 2);
  double last = 1e9;
  for (int bits : {2, 3, 4, 8}) {
    const double error = round_rows(values, 256, bits, 128, false, DType::bf16).squared_error;
    EXPECT_LT(error, last);
    last = error;
  }
  EXPECT_LT(round_rows(values, 256, 4, 32, false, DType::bf16).squared_error,
            round_rows(values, 256, 4, 256, false, DType::bf16).squared_error);
}

}  // namespace
}  // namespace octavo::quant
