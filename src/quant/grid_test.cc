#include "quant/grid.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "base/half.h"
#include "quant/vectors.h"

namespace octavo::quant {
namespace {

constexpr GridRule kExact{.scale_dtype = DType::f32};

double error_of(const std::vector<float>& group, const Grid& grid, const GridRule& rule) {
  double sum = 0;
  for (const float w : group) {
    const int code = nearest_code(w, grid, rule.bits);
    sum += std::pow(std::abs(w - static_cast<float>(code - grid.zero) * grid.scale),
                    static_cast<double>(rule.mse));
  }
  return sum;
}

std::vector<float> heavy_tailed(int64_t count, unsigned seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(count);
  for (float& v : values) v = std::pow(normal(generator), 3.0f);
  return values;
}

TEST(FitRange, asymmetric_spans_the_values_and_zero) {
  const std::vector<float> group{0.2f, 1.5f, 0.5f};
  const Grid grid = fit_range(group, kExact);
  EXPECT_FLOAT_EQ(grid.scale, 0.1f);
  EXPECT_EQ(grid.zero, 0);
  const std::vector<float> both{-0.5f, 1.0f};
  EXPECT_FLOAT_EQ(fit_range(both, kExact).scale, 0.1f);
  EXPECT_EQ(fit_range(both, kExact).zero, 5);
}

TEST(FitRange, symmetric_takes_twice_the_largest_over_all_steps) {
  GridRule rule = kExact;
  rule.symmetric = true;
  for (const std::vector<float>& group : {std::vector<float>{-1.5f, 0.3f}, {1.5f, 0.3f}}) {
    const Grid grid = fit_range(group, rule);
    EXPECT_FLOAT_EQ(grid.scale, 3.0f / 15);
    EXPECT_EQ(grid.zero, 8);
  }
}

TEST(FitRange, all_zero_groups_span_one_to_each_side) {
  const Grid grid = fit_range(std::vector<float>(8), kExact);
  EXPECT_FLOAT_EQ(grid.scale, 2.0f / 15);
  EXPECT_NEAR(grid.zero, 7.5, 0.5);
}

TEST(FitRange, keeps_the_range_where_the_zero_may_not_be_lowest) {
  GridRule rule = kExact;
  rule.lowest_zero = 1;
  const std::vector<float> group{0.2f, 1.4f};
  const Grid grid = fit_range(group, rule);
  EXPECT_EQ(grid.zero, 1);
  EXPECT_FLOAT_EQ(grid.scale, 0.1f);
  EXPECT_EQ(nearest_code(1.4f, grid, 4), 15);
}

TEST(FitRange, scales_are_those_of_their_storage) {
  const auto values = heavy_tailed(64, 1);
  for (int bits = 2; bits <= 8; ++bits) {
    const float half = fit_range(values, {.bits = bits, .scale_dtype = DType::f16}).scale;
    EXPECT_EQ(half, to_float(to_float16(half)));
    const float bfloat = fit_range(values, {.bits = bits, .scale_dtype = DType::bf16}).scale;
    EXPECT_EQ(bfloat, to_float(to_bfloat16(bfloat)));
  }
}

TEST(FitRange, scales_are_positive_and_finite_for_any_values) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const std::vector<float> hostile[] = {{1e-30f, -1e-38f}, {3e38f, -3e38f},   {kInfinity, 1},
                                        {NAN, 1},          {NAN, -kInfinity}, {}};
  for (const auto& group : hostile) {
    for (DType dtype : {DType::f16, DType::bf16, DType::f32}) {
      for (bool symmetric : {false, true}) {
        for (float mse : {0.0f, 2.4f}) {
          const Grid grid =
              fit_range(group, {.symmetric = symmetric, .mse = mse, .scale_dtype = dtype});
          EXPECT_TRUE(grid.scale > 0 && std::isfinite(grid.scale)) << grid.scale;
          EXPECT_TRUE(grid.zero >= 0 && grid.zero <= 15) << grid.zero;
        }
      }
    }
  }
}

TEST(FitRange, search_finds_the_least_error_of_its_ranges) {
  for (unsigned seed = 0; seed < 20; ++seed) {
    const auto group = heavy_tailed(33, seed);
    for (int bits : {2, 3, 4}) {
      for (bool symmetric : {false, true}) {
        for (float mse : {2.0f, 2.4f}) {
          GridRule rule = kExact;
          rule.bits = bits;
          rule.symmetric = symmetric;
          rule.mse = mse;
          const double found = error_of(group, fit_range(group, rule), rule);
          GridRule plain = rule;
          plain.mse = 0;
          for (int i = 0; i < 80; ++i) {
            std::vector<float> shrunk = group;
            for (float& v : shrunk) v *= 1 - static_cast<float>(i) / 100;
            EXPECT_LE(found, error_of(group, fit_range(shrunk, plain), rule) * 1.0005);
          }
        }
      }
    }
  }
}

TEST(FitRange, search_keeps_what_is_important) {
  std::vector<float> group = heavy_tailed(64, 7);
  group[10] = 20;
  GridRule rule = kExact;
  rule.mse = 2;
  std::vector<float> importance(64, 1.0f);
  const auto error_at = [&](int64_t k) {
    const Grid grid = fit_range(group, rule, importance);
    const int code = nearest_code(group[k], grid, rule.bits);
    return std::abs(group[k] - static_cast<float>(code - grid.zero) * grid.scale);
  };
  for (float mse : {0.0f, 2.0f, 2.4f}) {
    rule.mse = mse;
    importance[10] = 0;
    const float cut = error_at(10);
    importance[10] = 1e6f;
    EXPECT_LT(error_at(10), 0.1f * cut);
  }
}

TEST(FitRange, coarse_to_fine_comes_near_the_least_error) {
  for (unsigned seed = 0; seed < 20; ++seed) {
    const auto group = heavy_tailed(50, seed);
    const std::vector<float> importance(group.size(), 1.0f);
    for (int bits : {2, 3, 4, 8}) {
      GridRule rule = kExact;
      rule.bits = bits;
      const Grid found = fit_range(group, rule, importance);
      const Grid plain = fit_range(group, rule);
      rule.mse = 2;
      EXPECT_LE(error_of(group, found, rule), error_of(group, plain, rule));
      EXPECT_LE(error_of(group, found, rule), 1.2 * error_of(group, fit_range(group, rule), rule));
    }
  }
}

TEST(Power, is_that_of_the_library) {
  for (float v : {0.0f, 1e-20f, -3e-7f, 0.01f, 0.74f, -0.76f, 1.0f, 1.49f, 1.51f, 100.0f}) {
    for (float power : {0.5f, 1.0f, 2.4f, 3.0f}) {
      const double want = std::pow(std::abs(double{v}), double{power});
      EXPECT_NEAR(power4(splat(v), power)[1], want, 2e-5 * power * want + 1e-37);
    }
  }
}

}  // namespace
}  // namespace octavo::quant
