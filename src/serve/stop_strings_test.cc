#include "serve/stop_strings.h"

#include <gtest/gtest.h>

#include <random>

namespace octavo::serve {
namespace {

using Keep = StopStrings::Keep;

TEST(StopStrings, cuts_before_a_match_over_piece_borders_and_leaks_nothing_of_it) {
  StopStrings stop({"END"}, Keep::drop_match);
  EXPECT_EQ(stop.push("abcE"), "abc");
  EXPECT_EQ(stop.push("N"), "");
  EXPECT_EQ(stop.push("Dxyz"), "");
  EXPECT_EQ(stop.matched(), "END");
  EXPECT_EQ(stop.push("more"), "");
  EXPECT_EQ(stop.flush(), "");
}

TEST(StopStrings, gives_back_what_only_looked_like_a_match) {
  StopStrings stop({"aab"}, Keep::drop_match);
  EXPECT_EQ(stop.push("aa"), "");
  EXPECT_EQ(stop.push("a"), "a");
  EXPECT_EQ(stop.push("c"), "aac");
  EXPECT_FALSE(stop.matched());
}

TEST(StopStrings, flushes_what_is_held_at_the_end) {
  StopStrings stop({"xyz"}, Keep::drop_match);
  EXPECT_EQ(stop.push("axy"), "a");
  EXPECT_EQ(stop.flush(), "xy");
}

TEST(StopStrings, earliest_completed_match_wins_and_list_order_breaks_ties) {
  StopStrings stop({"bcd", "c"}, Keep::drop_match);
  EXPECT_EQ(stop.push("abcd"), "ab");
  EXPECT_EQ(stop.matched(), "c");
  StopStrings tie({"bc", "c"}, Keep::drop_match);
  EXPECT_EQ(tie.push("abc"), "a");
  EXPECT_EQ(tie.matched(), "bc");
}

TEST(StopStrings, keeps_the_match_when_asked_and_holds_nothing_back) {
  StopStrings stop({"END"}, Keep::keep_match);
  EXPECT_EQ(stop.push("aEN"), "aEN");
  EXPECT_EQ(stop.push("Dx"), "D");
  EXPECT_EQ(stop.matched(), "END");
}

TEST(StopStrings, passes_text_unseen_before_min_tokens) {
  StopStrings stop({"ab"}, Keep::drop_match);
  EXPECT_EQ(stop.pass("xa"), "xa");
  EXPECT_EQ(stop.push("b"), "b");
  EXPECT_FALSE(stop.matched());
}

TEST(StopStrings, agrees_with_a_search_of_the_whole_text_for_any_pieces) {
  std::mt19937 random(7);
  for (int round = 0; round < 2000; ++round) {
    std::string text, stop_text;
    for (size_t i = 0, n = random() % 12; i < n; ++i) text += "ab"[random() % 2];
    for (size_t i = 0, n = 1 + random() % 3; i < n; ++i) stop_text += "ab"[random() % 2];
    StopStrings stop({stop_text}, Keep::drop_match);
    std::string got;
    for (size_t at = 0; at < text.size();) {
      const size_t size = 1 + random() % 4;
      got += stop.push(std::string_view(text).substr(at, size));
      at += size;
    }
    got += stop.flush();
    EXPECT_EQ(got, text.substr(0, text.find(stop_text))) << text << " / " << stop_text;
  }
}

}  // namespace
}  // namespace octavo::serve
