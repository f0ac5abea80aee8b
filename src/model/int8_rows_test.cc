#include "model/int8_rows.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

#include "base/half.h"

namespace octavo {
namespace {

Weight dense(std::span<const float> values, int64_t out, int64_t in) {
  return {.format = {.dtype = DType::f32},
          .out = out,
          .in = in,
          .data = std::as_bytes(values),
          .scales = {},
          .zeros = {},
          .order = {}};
}

TEST(Int8Rows, stays_within_half_a_step_of_every_element) {
  std::mt19937 random(3);
  std::normal_distribution<float> normal;
  Int8Rows rounder;
  for (int64_t in : {16, 100, 128, 300}) {
    std::vector<float> values(3 * in);
    for (float& v : values) v = normal(random) * 0.02f;
    const Weight& w = rounder.round(dense(values, 3, in));
    ASSERT_EQ(w.format, int8_rows_format(in));
    for (int64_t o = 0; o < 3; ++o) {
      for (int64_t k = 0; k < in; ++k) {
        const float scale = group_scale(w, o, k / w.format.group_size);
        EXPECT_NEAR(element(w, o, k), values[o * in + k], scale * 0.51f) << in << " " << k;
      }
    }
  }
}

TEST(Int8Rows, takes_zeros_and_what_is_not_finite) {
  std::vector<float> values(64, 0.0f);
  Int8Rows rounder;
  EXPECT_EQ(element(rounder.round(dense(values, 1, 64)), 0, 5), 0);
  values[3] = std::numeric_limits<float>::infinity();
  values[4] = std::numeric_limits<float>::quiet_NaN();
  const Weight& w = rounder.round(dense(values, 1, 64));
  EXPECT_FALSE(std::isfinite(element(w, 0, 3)));
}

}  // namespace
}  // namespace octavo
