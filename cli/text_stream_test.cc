#include "cli/text_stream.h"

#include <gtest/gtest.h>

#include <string>

namespace octavo::cli {
namespace {

// Letters a to z are ids 0 to 25; the bytes C3 and A9 (é together) are 26 and 27.
Tokenizer letters() {
  std::string vocabulary;
  for (char c = 'a'; c <= 'z'; ++c)
    vocabulary += std::string("\"") + c + "\":" + std::to_string(c - 'a') + ",";
  return Tokenizer::from_json(
      R"({"version":"1.0","added_tokens":[],"normalizer":null,"pre_tokenizer":null,
          "post_processor":null,"decoder":{"type":"ByteFallback"},
          "model":{"type":"BPE","byte_fallback":true,"merges":[],"vocab":{)" +
          vocabulary + R"("<0xC3>":26,"<0xA9>":27}}})",
      "letters");
}

std::string run(TextStream& stream, const std::string& text) {
  std::string out;
  for (const char c : text) out += stream.push(c - 'a') + "|";
  return out;
}

TEST(TextStream, passes_text_through_without_stop_strings) {
  TextStream stream(letters(), Tokenizer::InOutput::skip_special, {});
  EXPECT_EQ(run(stream, "abc"), "a|b|c|");
  EXPECT_EQ(stream.finish(), "");
  EXPECT_FALSE(stream.stopped());
}

TEST(TextStream, holds_back_what_may_become_a_stop_string_and_cuts_before_it) {
  TextStream stream(letters(), Tokenizer::InOutput::skip_special, {.texts = {"cde", ""}});
  EXPECT_EQ(run(stream, "abcd"), "||a|b|");
  EXPECT_EQ(run(stream, "efg"), "|||");
  EXPECT_TRUE(stream.stopped());
  EXPECT_EQ(stream.finish(), "");
}

TEST(TextStream, gives_back_what_never_became_one) {
  TextStream stream(letters(), Tokenizer::InOutput::skip_special, {.texts = {"cde"}});
  EXPECT_EQ(run(stream, "cd"), "||");
  EXPECT_EQ(stream.finish(), "cd");
  EXPECT_FALSE(stream.stopped());
}

TEST(TextStream, takes_the_match_that_ends_first_and_keeps_it_if_asked) {
  TextStream stream(letters(), Tokenizer::InOutput::skip_special,
                    {.texts = {"bcdx", "cd"}, .include = true});
  std::string all;
  for (const char c : std::string("abcdx")) all += stream.push(c - 'a');
  EXPECT_EQ(all + stream.finish(), "abcd");
  EXPECT_TRUE(stream.stopped());
}

TEST(TextStream, never_cuts_within_a_character) {
  TextStream stream(letters(), Tokenizer::InOutput::skip_special, {.texts = {"zz"}});
  EXPECT_EQ(stream.push(26), "");
  EXPECT_EQ(stream.push(27), "");
  EXPECT_EQ(stream.push(0), "é");
  EXPECT_EQ(stream.finish(), "a");
}

}  // namespace
}  // namespace octavo::cli
