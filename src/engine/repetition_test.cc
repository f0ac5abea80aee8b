#include "engine/repetition.h"

#include <gtest/gtest.h>

#include <vector>

namespace octavo {
namespace {

using Tokens = std::vector<TokenId>;

TEST(Repetition, is_found_when_the_last_runs_are_equal) {
  const RepetitionDetection rules{.max_pattern_size = 3, .min_pattern_size = 2, .min_count = 3};
  EXPECT_TRUE(repeats(Tokens{9, 1, 2, 1, 2, 1, 2}, rules));
  EXPECT_TRUE(repeats(Tokens{1, 2, 3, 1, 2, 3, 1, 2, 3}, rules));
  EXPECT_FALSE(repeats(Tokens{1, 2, 1, 2, 1, 2, 9}, rules)) << "it has ended";
  EXPECT_FALSE(repeats(Tokens{9, 1, 2, 1, 2}, rules)) << "twice only";
  EXPECT_FALSE(repeats(Tokens{1, 2, 3, 4, 1, 2, 3, 4, 1, 2, 3, 4}, rules)) << "longer pattern";
  EXPECT_TRUE(repeats(Tokens{5, 5, 5, 5, 5, 5}, rules)) << "a pattern of two equal tokens";
  EXPECT_FALSE(repeats(Tokens{5, 5, 5, 5, 5}, rules));
  EXPECT_FALSE(repeats(Tokens{}, rules));
}

TEST(Repetition, takes_no_least_size_as_one) {
  const RepetitionDetection rules{.max_pattern_size = 1, .min_pattern_size = 0, .min_count = 4};
  EXPECT_TRUE(repeats(Tokens{1, 7, 7, 7, 7}, rules));
  EXPECT_FALSE(repeats(Tokens{1, 7, 7, 7}, rules));
}

}  // namespace
}  // namespace octavo
