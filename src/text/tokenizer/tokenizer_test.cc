#include "octavo/tokenizer.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include "base/utf8.h"
#include "octavo/error.h"

namespace octavo {
namespace {

using Ids = std::vector<TokenId>;
using Specials = Tokenizer::Specials;
using InText = Tokenizer::InText;
using InOutput = Tokenizer::InOutput;

// The fixtures are written by hand; what is expected of them was asked of the reference.
Tokenizer fixture(const std::string& name) {
  return Tokenizer::load("tests/data/tokenizers/" + name + ".json");
}

std::string decode(const Tokenizer& tokenizer, const Ids& ids,
                   InOutput mode = InOutput::keep_special) {
  return tokenizer.decode(ids, mode);
}

TEST(ByteLevelBpe, merges_in_order_of_rank_within_words) {
  const Tokenizer t = fixture("byte_level");
  EXPECT_EQ(t.encode("hello world"), (Ids{259, 264}));
  EXPECT_EQ(t.encode("hello  world's 12345\n"),
            (Ids{259, 32, 264, 39, 115, 32, 266, 51, 52, 53, 10}));
}

TEST(ByteLevelBpe, normalizes_before_it_cuts) {
  EXPECT_EQ(fixture("byte_level").encode("\u00E9 e\u0301"), (Ids{267, 32, 267}));
}

TEST(ByteLevelBpe, adds_and_skips_special_tokens) {
  const Tokenizer t = fixture("byte_level");
  EXPECT_EQ(t.encode("hello", Specials::add), (Ids{268, 259}));
  EXPECT_EQ(decode(t, {268, 259}), "<|end|>hello");
  EXPECT_EQ(decode(t, {268, 259}, InOutput::skip_special), "hello");
}

TEST(AddedTokens, are_found_with_the_spaces_they_swallow) {
  EXPECT_EQ(fixture("byte_level").encode("a <mask> b<|end|>c"), (Ids{97, 270, 98, 268, 99}));
}

TEST(AddedTokens, that_are_single_words_do_not_match_inside_others) {
  EXPECT_EQ(fixture("byte_level").encode("word swords word"),
            (Ids{271, 32, 115, 119, 261, 100, 115, 32, 271}));
}

TEST(AddedTokens, of_the_special_kind_are_plain_text_on_request) {
  const Tokenizer t = fixture("byte_level");
  const Ids ids = t.encode("<|end|><tool>", Specials::none, InText::as_text);
  EXPECT_EQ(ids.back(), 269);
  for (const TokenId id : ids) EXPECT_FALSE(t.is_special(id));
  EXPECT_EQ(decode(t, ids), "<|end|><tool>");
  EXPECT_EQ(t.encode("<|end|><tool>"), (Ids{268, 269}));
}

TEST(SentencepieceBpe, falls_back_to_bytes) {
  const Tokenizer t = fixture("byte_fallback");
  EXPECT_EQ(t.encode("hello  a"), (Ids{275, 259, 270}));
  EXPECT_EQ(t.encode("a z!"), (Ids{270, 259, 125, 36}));
  EXPECT_EQ(t.encode("\u00E9"), (Ids{259, 198, 172}));
  EXPECT_EQ(decode(t, {1, 275, 259, 270}), "<s> hello  a");
  EXPECT_EQ(decode(t, {275, 259, 270}), "hello  a");
  EXPECT_EQ(decode(t, {198, 275}), "\uFFFD hello");
}

TEST(WordPiece, takes_the_longest_piece_and_gives_up_on_whole_words) {
  const Tokenizer t = fixture("word_piece");
  EXPECT_EQ(t.encode("unwanted Running, Caf\u00E9"), (Ids{4, 5, 6, 7, 8, 11, 9, 10}));
  EXPECT_EQ(t.encode("a\u4E2Da", Specials::add), (Ids{2, 13, 12, 13, 3}));
  EXPECT_EQ(t.encode("xyz"), (Ids{1}));
  EXPECT_EQ(t.encode(std::string(21, 'a')), (Ids{1}));
  EXPECT_EQ(decode(t, {4, 5, 6, 7, 8, 11, 9, 10}), "unwanted running, cafe");
}

TEST(Unigram, takes_the_most_probable_pieces) {
  const Tokenizer t = fixture("unigram");
  EXPECT_EQ(t.encode("abc ab b"), (Ids{7, 6, 2, 4}));
  EXPECT_EQ(t.encode("abxyab"), (Ids{6, 1, 5}));
  EXPECT_EQ(t.encode(""), Ids{});
  EXPECT_EQ(decode(t, {7, 6, 2, 4}), "abc ab b");
}

TEST(TokenizerTest, answers_about_tokens) {
  const Tokenizer t = fixture("byte_level");
  EXPECT_EQ(t.vocab_size(), 272);
  EXPECT_EQ(t.id_of("\u0120world"), 264);
  EXPECT_EQ(t.token(264), "\u0120world");
  EXPECT_EQ(t.token_bytes(264), " world");
  EXPECT_EQ(t.id_of("nothing"), std::nullopt);
  EXPECT_EQ(t.token(-1), "");
  EXPECT_EQ(t.token(1 << 30), "");
  EXPECT_TRUE(t.is_special(268));
  EXPECT_FALSE(t.is_special(269));
  EXPECT_EQ(fixture("byte_fallback").token_bytes(198), "\xC3");
}

TEST(TokenizerTest, reads_bytes_that_are_no_text_as_replacement_characters) {
  const Tokenizer t = fixture("byte_level");
  EXPECT_EQ(t.encode("\xC3"), t.encode("\uFFFD"));
  EXPECT_EQ(decode(t, {0xC3}), "\uFFFD");
}

TEST(TokenizerTest, passes_over_ids_without_a_token) {
  EXPECT_EQ(decode(fixture("byte_level"), {-5, 259, 1 << 30, 264}), "hello world");
}

// One word of many symbols goes through the heap, words of few through the scan: same ids.
TEST(ByteLevelBpe, encodes_long_words_like_short_ones) {
  const Tokenizer t = fixture("byte_level");
  std::string text;
  Ids expected;
  for (int i = 0; i < 50000; ++i) {
    text += "hello";
    expected.push_back(259);
  }
  EXPECT_EQ(t.encode(text), expected);
  EXPECT_EQ(t.encode(std::string(1 << 20, 'x')), Ids(1 << 20, 'x'));
}

TEST(TokenizerTest, gives_back_every_text_it_encodes) {
  const Tokenizer t = fixture("byte_level");
  std::mt19937 random(11);
  for (int round = 0; round < 300; ++round) {
    std::string text;
    for (int i = 0; i < 30; ++i) {
      const uint32_t kind = random() % 4;
      const char32_t c = kind == 0   ? 0x20 + random() % 0x5F
                         : kind == 1 ? 0x4E00 + random() % 0x5000
                         : kind == 2 ? 0x1F300 + random() % 0x300
                                     : " \n\t'hello w1"[random() % 13];
      utf8::append(text, c);
    }
    EXPECT_EQ(decode(t, t.encode(text)), text) << "round " << round;
  }
}

TEST(DetokenizerTest, holds_back_unfinished_characters) {
  Detokenizer d(fixture("byte_level"), InOutput::keep_special);
  EXPECT_EQ(d.push(0xE4), "");
  EXPECT_EQ(d.push(0xB8), "");
  EXPECT_EQ(d.push(0xAD), "\u4E2D");
  EXPECT_EQ(d.push(0xE4), "");
  EXPECT_EQ(d.push('a'), "\uFFFDa");
  EXPECT_EQ(d.push(0xE4), "");
  EXPECT_EQ(d.flush(), "\uFFFD");
}

TEST(DetokenizerTest, skips_special_tokens_on_request) {
  Detokenizer d(fixture("byte_level"), InOutput::skip_special);
  EXPECT_EQ(d.push(268), "");
  EXPECT_EQ(d.push(259), "hello");
  EXPECT_EQ(d.push(269), "<tool>");
}

TEST(DetokenizerTest, gives_the_text_of_decode) {
  for (const char* name : {"byte_level", "byte_fallback", "word_piece", "unigram"}) {
    const Tokenizer t = fixture(name);
    const Ids ids =
        t.encode("hello world, \u4E2D\u6587 unwanted ab hello  a\u00E9z", Specials::add);
    Detokenizer d(t, InOutput::keep_special);
    std::string text;
    for (const TokenId id : ids) text += d.push(id);
    text += d.flush();
    EXPECT_EQ(text, decode(t, ids)) << name;
  }
}

TEST(TokenizerTest, is_made_from_documents_in_memory) {
  const std::string model = R"({"model": {"type": "WordLevel", "vocab": {"a": 0, "<e>": 1}}})";
  const Tokenizer t = Tokenizer::from_json(model, R"({"eos_token": "<e>"})", "memory");
  ASSERT_TRUE(t.eos());
  EXPECT_EQ(t.eos()->id, 1);
  EXPECT_FALSE(t.bos());
  EXPECT_THROW((void)Tokenizer::from_json(model, "{", "memory"), Error);
}

TEST(TokenizerTest, reads_named_tokens_from_the_config_beside_it) {
  const auto dir = std::filesystem::temp_directory_path() / "octavo_tokenizer_test";
  std::filesystem::create_directories(dir);
  std::filesystem::copy_file("tests/data/tokenizers/byte_level.json", dir / "tokenizer.json",
                             std::filesystem::copy_options::overwrite_existing);
  std::ofstream(dir / "tokenizer_config.json")
      << R"({"eos_token": {"content": "<|end|>"}, "bos_token": "<none>", "pad_token": null,
             "model_max_length": 1000000000000000019884624838656})";
  const Tokenizer t = Tokenizer::load(dir);
  std::filesystem::remove_all(dir);
  ASSERT_TRUE(t.eos() && t.bos());
  EXPECT_EQ(t.eos()->id, 268);
  EXPECT_EQ(t.bos()->text, "<none>");
  EXPECT_EQ(t.bos()->id, std::nullopt);
  EXPECT_FALSE(t.pad());
}

}  // namespace
}  // namespace octavo
