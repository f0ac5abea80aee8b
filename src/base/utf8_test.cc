#include "base/utf8.h"

#include <gtest/gtest.h>

namespace octavo::utf8 {
namespace {

TEST(Utf8, round_trips_every_plane) {
  for (char32_t c : {0x41, 0xE9, 0x20AC, 0xFFFD, 0x1F600, 0x10FFFF}) {
    std::string text;
    append(text, c);
    const Decoded d = decode(text, 0);
    EXPECT_TRUE(d.valid);
    EXPECT_EQ(d.code_point, c);
    EXPECT_EQ(static_cast<size_t>(d.bytes), text.size());
  }
}

TEST(Utf8, replaces_each_maximal_invalid_part_once) {
  EXPECT_EQ(sanitize("\xE2\x82"), "\xEF\xBF\xBD");  // cut character: one
  EXPECT_EQ(sanitize("\xED\xA0\x80"),
            "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");            // surrogate: one a byte
  EXPECT_EQ(sanitize("\xC0\xAF"), "\xEF\xBF\xBD\xEF\xBF\xBD");  // overlong
}

TEST(Utf8, measures_the_incomplete_tail) {
  EXPECT_EQ(incomplete_tail("a\xF0\x9F\x98"), 3u);
  EXPECT_EQ(incomplete_tail("a\xE2\x82\xAC"), 0u);
  EXPECT_EQ(incomplete_tail("a\xE2"), 1u);
  EXPECT_EQ(incomplete_tail("a\x80"), 0u);  // a stray continuation will never become whole
}

}  // namespace
}  // namespace octavo::utf8
