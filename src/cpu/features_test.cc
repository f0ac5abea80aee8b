#include "cpu/features.h"

#include <gtest/gtest.h>

#include "octavo/error.h"

namespace octavo::cpu {
namespace {

TEST(Features, limit_keeps_what_the_level_names_and_nothing_above) {
  const Features all{true, true, true, true, true};
  const Features cut = limit(all, "avx512");
  EXPECT_TRUE(cut.avx2 && cut.avx512);
  EXPECT_FALSE(cut.avx512_vnni || cut.avx512_bf16 || cut.amx);
  EXPECT_FALSE(limit(all, "reference").avx2);
  EXPECT_TRUE(limit(all, "").amx);
  EXPECT_TRUE(limit(all, "auto").amx);
}

TEST(Features, limit_refuses_what_is_unknown_or_absent) {
  EXPECT_THROW(limit({}, "avx2"), Error);
  EXPECT_THROW(limit({.avx2 = true}, "avx512"), Error);
  EXPECT_THROW(limit({}, "sse9"), Error);
}

TEST(Features, strongest_is_a_level_that_limit_accepts) {
  EXPECT_EQ(strongest({}), "reference");
  EXPECT_EQ(strongest({true, true, true, true, false}), "avx512-bf16");
  const Features here = detect();
  EXPECT_NO_THROW(limit(here, strongest(here)));
}

}  // namespace
}  // namespace octavo::cpu
