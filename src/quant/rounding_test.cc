#include "quant/rounding.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

namespace octavo::quant {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

std::vector<float> random_values(int64_t count, unsigned seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal(0, 0.05f);
  std::vector<float> values(static_cast<size_t>(count));
  for (float& v : values) v = normal(generator);
  return values;
}

double error(const QuantizedMatrix& m, std::span<const float> values) {
  double sum = 0;
  for (int64_t o = 0; o < m.out; ++o) {
    for (int64_t k = 0; k < m.in; ++k) {
      const double d = m.value(o, k) - values[static_cast<size_t>(o * m.in + k)];
      sum += d * d;
    }
  }
  return sum;
}

TEST(Rounding, asymmetric_grids_span_the_values_and_zero) {
  ThreadPool pool(1);
  const std::vector<float> row{0.2f, 1.7f, 0.5f, 0.9f};
  const auto m = round_to_nearest(pool, row, 1, 4, {.group_size = 4, .scale_dtype = DType::f32});
  EXPECT_EQ(m.zeros[0], 0);
  EXPECT_FLOAT_EQ(m.scales[0], 1.7f / 15);
  EXPECT_EQ(m.codes[1], 15);
}

TEST(Rounding, symmetric_grids_put_the_largest_on_the_last_code) {
  ThreadPool pool(1);
  const std::vector<float> row{-0.7f, 0.1f};
  const auto m = round_to_nearest(pool, row, 1, 2,
                                  {.group_size = 2, .symmetric = true, .scale_dtype = DType::f32});
  EXPECT_EQ(m.zeros[0], 8);
  EXPECT_EQ(m.codes[0], 1);
}

TEST(Rounding, keeps_all_zero_groups_exact) {
  ThreadPool pool(1);
  const std::vector<float> row(32, 0.0f);
  for (const bool symmetric : {false, true}) {
    for (const int lowest_zero : {0, 1}) {
      const auto m = round_to_nearest(pool, row, 1, 32,
                                      {.group_size = 32,
                                       .symmetric = symmetric,
                                       .scale_dtype = DType::bf16,
                                       .lowest_zero = lowest_zero});
      EXPECT_EQ(m.value(0, 5), 0);
      EXPECT_TRUE(std::isfinite(m.scales[0]) && m.scales[0] > 0);
      EXPECT_GE(m.zeros[0], lowest_zero);
    }
  }
}

TEST(Rounding, is_within_a_step_and_better_with_more_bits) {
  constexpr int64_t kIn = 100, kOut = 5, kGroup = 32;  // the last group is short
  ThreadPool pool(2);
  const auto values = random_values(kOut * kIn, 1);
  double last = 1e9;
  for (const int bits : {2, 3, 4, 8}) {
    const auto m = round_to_nearest(
        pool, values, kOut, kIn, {.bits = bits, .group_size = kGroup, .scale_dtype = DType::f16});
    for (int64_t o = 0; o < kOut; ++o) {
      for (int64_t k = 0; k < kIn; ++k) {
        const float scale = m.scales[static_cast<size_t>(o * m.groups() + k / kGroup)];
        EXPECT_LE(std::abs(m.value(o, k) - values[static_cast<size_t>(o * kIn + k)]),
                  1.01f * scale);
        EXPECT_LT(m.codes[static_cast<size_t>(o * kIn + k)], 1 << bits);
      }
    }
    const double now = error(m, values);
    EXPECT_LT(now, last);
    last = now;
  }
}

TEST(Rounding, reads_back_what_the_matrix_holds) {
  constexpr int64_t kIn = 96;
  ThreadPool pool(1);
  const auto values = random_values(kIn, 3);
  for (const float limit : {kInfinity, 0.06f}) {
    const Rounding rounding{.bits = 3, .group_size = 32, .scale_dtype = DType::f16};
    const std::vector<float> limits(3, limit);
    const auto m = round_to_nearest(pool, values, 1, kIn, rounding, limits);
    std::vector<float> read(kIn);
    read_back(values, rounding, limit, read);
    for (int64_t k = 0; k < kIn; ++k) EXPECT_EQ(read[static_cast<size_t>(k)], m.value(0, k));
  }
}

TEST(Rounding, clips_at_the_limit) {
  ThreadPool pool(1);
  std::vector<float> row(32, 0.01f);
  row[3] = 1.0f;
  const std::vector<float> limits{0.02f};
  const auto m =
      round_to_nearest(pool, row, 1, 32, {.group_size = 32, .scale_dtype = DType::f32}, limits);
  EXPECT_NEAR(m.value(0, 3), 0.02f, 1e-5);
  EXPECT_NEAR(m.value(0, 0), 0.01f, 1e-3);
}

}  // namespace
}  // namespace octavo::quant
