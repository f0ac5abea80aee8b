#include "cpu/limits.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/memory.h"

namespace octavo::cpu {
namespace {

TEST(Limits, name_a_unit_for_every_level_of_features) {
  EXPECT_TRUE(units({}).empty());
  EXPECT_EQ(units({.avx2 = true}), (std::vector<Unit>{Unit::f32, Unit::int8}));
  Features all{.avx2 = true, .avx512 = true, .avx512_vnni = true, .avx512_bf16 = true, .amx = true};
  EXPECT_EQ(units(all).size(), 5u);
  all.amx = false;
  EXPECT_EQ(std::ranges::count(units(all), Unit::amx_int8), 0);
}

TEST(Limits, are_finite_rates_for_every_unit_of_this_machine) {
  ThreadPool pool(2);
  const Features features = detect();
  for (const Unit unit : units(features)) {
    const double rate = peak_rate(pool, features, unit);
    EXPECT_TRUE(std::isfinite(rate)) << name(unit);
    EXPECT_GT(rate, 1e8) << name(unit);
  }
}

TEST(Limits, read_with_and_without_vectors) {
  ThreadPool pool(2);
  const HugeBuffer memory(1 << 20);
  for (const Features& features : {Features{}, detect()}) {
    const double rate = read_rate(pool, features, {memory.data(), memory.size_bytes()});
    EXPECT_TRUE(std::isfinite(rate));
    EXPECT_GT(rate, 0);
  }
}

}  // namespace
}  // namespace octavo::cpu
