#include "base/spelling.h"

#include <gtest/gtest.h>

#include <array>

namespace octavo {
namespace {

constexpr std::array<std::string_view, 4> kWords{"bits", "group_size", "desc_act", "damp_percent"};

TEST(ClosestWord, finds_what_a_slip_of_the_finger_meant) {
  EXPECT_EQ(closest_word("bist", kWords), "bits");
  EXPECT_EQ(closest_word("groupsize", kWords), "group_size");
  EXPECT_EQ(closest_word("damp_precent", kWords), "damp_percent");
}

TEST(ClosestWord, says_nothing_about_other_words) {
  EXPECT_EQ(closest_word("temperature", kWords), "");
  EXPECT_EQ(closest_word("", kWords), "");
  EXPECT_EQ(closest_word(std::string(1000, 'b'), kWords), "");
}

TEST(DidYouMean, is_a_question_or_nothing) {
  EXPECT_EQ(did_you_mean("bit", kWords), "did you mean \"bits\"? ");
  EXPECT_EQ(did_you_mean("zzzz", kWords), "");
}

}  // namespace
}  // namespace octavo
