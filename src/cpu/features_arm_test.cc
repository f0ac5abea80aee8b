#include <gtest/gtest.h>

#include "cpu/features.h"
#include "octavo/error.h"

namespace octavo::cpu {
namespace {

constexpr Features kAll{.neon = true, .neon_dot = true, .neon_i8mm = true};

TEST(Features, limit_keeps_what_the_level_names_and_nothing_above) {
  const Features cut = limit(kAll, "neon-dot");
  EXPECT_TRUE(cut.neon && cut.neon_dot);
  EXPECT_FALSE(cut.neon_i8mm);
  EXPECT_FALSE(limit(kAll, "reference").neon);
  EXPECT_TRUE(limit(kAll, "auto").neon_i8mm);
}

TEST(Features, limit_refuses_what_is_unknown_or_absent) {
  EXPECT_THROW(limit({.neon = true}, "neon-dot"), Error);
  EXPECT_THROW(limit(kAll, "avx2"), Error);
}

TEST(Features, strongest_is_a_level_that_limit_accepts) {
  EXPECT_EQ(strongest({}), "reference");
  const Features here = detect();
  EXPECT_NO_THROW(limit(here, strongest(here)));
}

}  // namespace
}  // namespace octavo::cpu
