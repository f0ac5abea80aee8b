#include "text/tokenizer/pattern.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "text/tokenizer/document.h"
#include "text/tokenizer/matcher.h"
#include "text/tokenizer/scanner.h"
#include "text/tokenizer/unicode.h"

namespace octavo::tokenizer {
namespace {

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text)
    out += c == '\\' || c == '"' ? std::string("\\") + c : std::string(1, c);
  return out;
}

// The stretches of `text` that a pattern matches, joined by '|'.
std::string matches(const std::string& pattern, std::string_view text) {
  const Document document("{\"Regex\": \"" + escaped(pattern) + "\"}", "pattern");
  const Matcher matcher = Matcher::load(document.root());
  std::vector<Match> cuts;
  Matcher::Cursor(matcher).cut(text, cuts);
  std::string out;
  for (const Match& cut : cuts) {
    if (cut.matched) out.append(text.substr(cut.span.begin, cut.span.end - cut.span.begin)) += '|';
  }
  return out;
}

TEST(Pattern, lines_begin_and_end_at_every_newline) {
  EXPECT_EQ(matches("^a", "a\na"), "a|a|");
  EXPECT_EQ(matches("a$", "a\na"), "a|a|");
  EXPECT_EQ(matches("(?<!\\n)^a", "a\na"), "a|");
}

TEST(Pattern, knows_the_letters_of_unicode_15_and_16) {
  EXPECT_EQ(matches("\\p{L}+", "a\U00010D40\U0001611A\u1C8A!"), "a|\U0001611A\u1C8A|");
  EXPECT_EQ(matches("[^\\p{L}]", "\u1C8A!"), "!|");
  EXPECT_EQ(matches("\\P{L}", "\u1C8A!"), "!|");
}

TEST(Pattern, takes_no_mongolian_vowel_separator_for_a_space) {
  EXPECT_EQ(matches("\\s", "\u180E\u00A0\u0085"), "\u00A0|\u0085|");
  EXPECT_EQ(matches("\\S+", "a\u180E\u00A0"), "a\u180E|");
}

TEST(Pattern, intersects_and_unites_classes) {
  EXPECT_EQ(matches("[a-z&&[^aeiou]]+", "hello"), "h|ll|");
  EXPECT_EQ(matches("[\\p{L}&&[^\\p{Han}]]+", "ab\u4E2Dc"), "ab|c|");
  EXPECT_EQ(matches("[a[bc]]+", "abcd"), "abc|");
}

TEST(Pattern, reads_hexadecimal_digits_and_code_points) {
  EXPECT_EQ(matches("\\h+", "12afg"), "12af|");
  EXPECT_EQ(matches("\\u00e9", "e\u00E9"), "\u00E9|");
  EXPECT_EQ(matches("(?m:a.b)", "a\nb"), "a\nb|");
}

TEST(Pattern, finds_empty_matches_once) { EXPECT_EQ(matches("x*", "axb"), "|x||"); }

// The scanners against the same patterns as regular expressions: a group around a pattern keeps it
// from being recognised.
TEST(Scanner, cuts_as_the_pattern_does) {
  const std::string tail = R"(| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
  const std::string words = R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N})";
  const std::string upper = R"([\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}])";
  const std::string lower = R"([\p{Ll}\p{Lm}\p{Lo}\p{M}])";
  const std::string ending = R"((?i:'s|'t|'re|'ve|'m|'ll|'d)?)";
  const std::string before = R"([^\r\n\p{L}\p{N}]?)";
  const std::string patterns[] = {
      R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)",
      words + "{1,3}" + tail,
      words + tail,
      before + upper + "*" + lower + "+" + ending + "|" + before + upper + "+" + lower + "*" +
          ending + R"(|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
  };
  const std::vector<std::string> units = {
      " ",      "  ",     "\n",     "\r\n",       "\t",     "\u00A0", "\u3000",
      "'s",     "'S",     "'LL",    "'\u017F",    "'",      "a",      "B",
      "The",    "iPhone", "\u00E9", "e\u0301",    "\u4E2D", "\u01C5", "\u02B0",
      "\u0301", "1",      "1234",   "\u0663",     "\u00BD", "!",      "...",
      "/",      "//\n",   "$",      "\U0001F600", "\u200D", "\u0130", "_"};
  std::mt19937 random(3);
  for (const std::string& pattern : patterns) {
    ASSERT_TRUE(known_pattern(pattern)) << pattern;
    const std::string plain = "(?:" + pattern + ")";
    for (int round = 0; round < 400; ++round) {
      std::string text;
      for (unsigned i = 0, n = 1 + random() % 12; i < n; ++i)
        text += units[random() % units.size()];
      ASSERT_EQ(matches(pattern, text), matches(plain, text)) << pattern << "\nround " << round;
    }
  }
}

TEST(Unicode, keeps_the_classes_of_the_reference) {
  using namespace unicode;  // NOLINT
  EXPECT_TRUE(is('A', kUpper) && is('a', kLower) && is(0x4E2D, kOtherLetter) && is(0x301, kMark));
  EXPECT_TRUE(is(0x85, kSpace) && !is(0x180E, kSpace) && !is(0x200B, kSpace));
  EXPECT_TRUE(is('$', kIsolated) && !is('$', kPunctuation) && is('$', kSymbol));
  EXPECT_EQ(lowercase(0x10D50), 0x10D70u);
}

}  // namespace
}  // namespace octavo::tokenizer
