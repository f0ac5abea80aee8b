#include "text/tokenizer/sentencepiece.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "octavo/error.h"
#include "octavo/tokenizer.h"
#include "text/tokenizer/compiled_map.h"
#include "text/tokenizer/wire.h"

namespace octavo {
namespace {

using Ids = std::vector<TokenId>;
using Specials = Tokenizer::Specials;
using InOutput = Tokenizer::InOutput;
using tokenizer::SentencePiece;
using tokenizer::WireWriter;

std::string bytes_of(const std::filesystem::path& file) {
  std::stringstream bytes;
  bytes << std::ifstream(file, std::ios::binary).rdbuf();
  return bytes.str();
}

std::string fixture_file(const std::string& name) {
  return "tests/data/tokenizers/pieces_" + name + ".model";
}

Tokenizer fixture(const std::string& name) { return Tokenizer::load(fixture_file(name)); }

std::string decode(const Tokenizer& tokenizer, const Ids& ids) {
  return tokenizer.decode(ids, InOutput::keep_special);
}

// A directory with a model and files beside it.
class Folder {
 public:
  explicit Folder(const std::string& name)
      : dir_(std::filesystem::temp_directory_path() / ("octavo_sentencepiece_" + name)) {
    std::filesystem::create_directories(dir_);
    std::filesystem::copy_file(fixture_file("bpe"), dir_ / "tokenizer.model",
                               std::filesystem::copy_options::overwrite_existing);
  }
  ~Folder() { std::filesystem::remove_all(dir_); }
  Folder& with(const std::string& file, const std::string& text) {
    std::ofstream(dir_ / file) << text;
    return *this;
  }
  Tokenizer load() const { return Tokenizer::load(dir_); }

 private:
  std::filesystem::path dir_;
};

// What is expected was asked of the reference, version 0.2.3.
TEST(SentencePieceTest, encodes_as_the_reference) {
  const Tokenizer bpe = fixture("bpe");
  EXPECT_EQ(bpe.encode("the red house"), (Ids{268, 306, 319}));
  EXPECT_EQ(bpe.encode("  A  small \u00E9"), (Ids{367, 367, 367, 71, 367, 329, 5, 367, 390}));
  EXPECT_EQ(bpe.encode("<tool>stone!"), (Ids{367, 4, 371, 373, 297, 398}));
  EXPECT_EQ(bpe.encode("\u4F60"), (Ids{367, 234, 195, 166}));
  EXPECT_EQ(bpe.encode(""), Ids{});
  const Tokenizer unigram = fixture("unigram");
  EXPECT_EQ(unigram.encode("  A  small \u00E9"), (Ids{35, 32, 6, 64, 45}));
  EXPECT_EQ(unigram.encode("<tool>stone!"), (Ids{6, 4, 5, 16, 37}));
  EXPECT_EQ(unigram.encode("a<s>b"), (Ids{35, 0, 14, 0, 43}));
  EXPECT_EQ(decode(unigram, {35, 0, 14, 0, 43}), "a \u2047 s \u2047 b");
  const Tokenizer suffix = fixture("suffix");
  EXPECT_EQ(suffix.encode("  A  small \u00E9"), (Ids{68, 347, 285, 329}));
  EXPECT_EQ(decode(suffix, {68, 347, 285, 329}), "A small \u00E9");
}

TEST(SentencePieceTest, decodes_what_it_encoded) {
  for (const char* name : {"bpe", "suffix"}) {
    const Tokenizer t = fixture(name);
    const std::string text = "the red house talks. 12 \u4E2D\u6587 caf\u00E9!";
    EXPECT_EQ(t.decode(t.encode(text), InOutput::keep_special), text) << name;
  }
  EXPECT_EQ(fixture("bpe").decode(fixture("bpe").encode("  a"), InOutput::keep_special), "  a");
}

TEST(SentencePieceTest, control_pieces_are_special_and_no_text_gives_them) {
  const Tokenizer t = fixture("bpe");
  ASSERT_TRUE(t.bos() && t.eos());
  const TokenId bos = *t.bos()->id;
  EXPECT_EQ(t.token(bos), "<s>");
  EXPECT_TRUE(t.is_special(bos));
  for (const TokenId id : t.encode("<s>")) EXPECT_NE(id, bos);
  Ids ids = t.encode("a", Specials::add);
  EXPECT_EQ(ids.front(), bos);
  EXPECT_EQ(t.decode(ids, InOutput::skip_special), "a");
  EXPECT_EQ(t.decode(ids, InOutput::keep_special), "<s> a");
}

TEST(SentencePieceTest, tells_tokens_and_their_bytes) {
  const Tokenizer t = fixture("bpe");
  const auto byte = t.id_of("<0xE4>");
  ASSERT_TRUE(byte);
  EXPECT_EQ(t.token_bytes(*byte), "\xE4");
  const auto space = t.id_of("\u2581");
  ASSERT_TRUE(space);
  EXPECT_EQ(t.token_bytes(*space), " ");
  EXPECT_EQ(t.token(1 << 28), "");
  EXPECT_EQ(t.decode(Ids{-3, 1 << 28, *space, *space}, InOutput::keep_special), " ");
}

TEST(SentencePieceTest, gives_text_piece_by_piece_as_at_once) {
  for (const char* name : {"bpe", "unigram", "suffix"}) {
    const Tokenizer t = fixture(name);
    Ids ids = t.encode("the \u4E2D\u6587 red <tool> stone  12", Specials::add);
    if (const auto byte = t.id_of("<0xE4>")) ids.push_back(*byte);
    for (const InOutput mode : {InOutput::keep_special, InOutput::skip_special}) {
      Detokenizer stream(t, mode);
      std::string text;
      for (const TokenId id : ids) text += stream.push(id);
      text += stream.flush();
      EXPECT_EQ(text, t.decode(ids, mode)) << name;
    }
  }
}

TEST(SentencePieceTest, holds_back_unfinished_characters) {
  const Tokenizer t = fixture("bpe");
  Detokenizer stream(t, InOutput::keep_special);
  EXPECT_EQ(stream.push(*t.id_of("<0xE4>")), "");
  EXPECT_EQ(stream.push(*t.id_of("<0xB8>")), "");
  EXPECT_EQ(stream.push(*t.id_of("<0xAD>")), "\u4E2D");
  EXPECT_EQ(stream.push(*t.id_of("<0xE4>")), "");
  EXPECT_EQ(stream.flush(), "\uFFFD");
}

TEST(SentencePieceTest, follows_the_config_beside_the_model) {
  const Tokenizer t = Folder("config")
                          .with("tokenizer_config.json",
                                R"({"tokenizer_class": "LlamaTokenizer", "add_bos_token": false,
            "add_eos_token": true, "bos_token": "<s>", "eos_token": {"content": "</s>"},
            "added_tokens_decoder": {"1": {"content": "<s>", "special": true},
            "900": {"content": "<|user|>", "special": true, "rstrip": true},
            "901": {"content": "<call>", "special": false}}})")
                          .load();
  const TokenId bos = *t.bos()->id, eos = *t.eos()->id;
  EXPECT_EQ(t.vocab_size(), 902);
  const Ids ids = t.encode("<s>a<|user|>  b<call>", Specials::add);
  EXPECT_EQ(ids.front(), bos);
  EXPECT_EQ(ids.back(), eos);
  EXPECT_EQ(ids[ids.size() - 2], 901);
  EXPECT_EQ(std::count(ids.begin(), ids.end(), 900), 1);
  EXPECT_EQ(t.decode(ids, InOutput::skip_special), "a b<call>");
  EXPECT_FALSE(t.is_special(901));
}

TEST(SentencePieceTest, puts_the_prefix_once_where_the_config_is_not_legacy) {
  const std::string tokens = R"("added_tokens_decoder": {"900": {"content": "<x>"}})";
  const Tokenizer every = Folder("legacy").with("tokenizer_config.json", "{" + tokens + "}").load();
  const Tokenizer once =
      Folder("once").with("tokenizer_config.json", R"({"legacy": false, )" + tokens + "}").load();
  EXPECT_EQ(every.encode("a<x>a").front(), every.encode("a<x>a").back());
  EXPECT_EQ(once.encode("a<x>a").front(), once.encode("a").front());
  EXPECT_NE(once.encode("a<x>a").front(), once.encode("a<x>a").back());
}

TEST(SentencePieceTest, takes_added_tokens_from_older_files) {
  const Tokenizer t = Folder("older")
                          .with("added_tokens.json", R"({"<b>": 901, "<a>": 900})")
                          .with("special_tokens_map.json",
                                R"({"eos_token": "<a>", "additional_special_tokens": ["<b>"]})")
                          .load();
  EXPECT_EQ(t.eos()->id, 900);
  EXPECT_TRUE(t.is_special(901));
  EXPECT_EQ(t.encode("<b>"), Ids{901});
}

TEST(SentencePieceTest, refuses_classes_that_shift_ids) {
  Folder folder("shift");
  folder.with("tokenizer_config.json", R"({"tokenizer_class": "XLMRobertaTokenizer"})");
  EXPECT_THROW((void)folder.load(), Error);
}

std::string model_of(const std::string& rules_map, const std::string& piece = "a") {
  WireWriter entry, unknown, rules, out;
  unknown.bytes(1, "<unk>");
  unknown.varint(3, 2);
  entry.bytes(1, piece);
  if (!rules_map.empty()) rules.bytes(2, rules_map);
  out.bytes(1, unknown.message());
  out.bytes(1, entry.message());
  out.bytes(3, rules.message());
  return out.message();
}

void expect_refused(const std::string& bytes, const std::string& part) {
  try {
    (void)SentencePiece::parse(bytes, "m.model");
    ADD_FAILURE() << "not refused: " << part;
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
    EXPECT_NE(std::string(error.what()).find("m.model"), std::string::npos) << error.what();
  }
}

TEST(HostileSentencePiece, is_refused_with_what_is_wrong) {
  EXPECT_NO_THROW((void)SentencePiece::parse(model_of(""), "m.model"));
  expect_refused("", "no pieces");
  expect_refused("\x0A\xFF\xFF\xFF\xFF\x7F", "broken protocol buffer");
  expect_refused(
      "\x0A\x05"
      "ab",
      "broken protocol buffer");
  expect_refused("\x0B", "broken protocol buffer");
  expect_refused(model_of("", "\xFF"), "not UTF-8");
  expect_refused(model_of("", std::string(5000, 'a')), "too long");
  expect_refused(model_of("", "<unk>"), "two pieces are '<unk>'");
  expect_refused(model_of("", ""), "refuses the model");
}

// A character map of one block whose unit at `label` leads on.
std::string map_with(uint32_t root, uint32_t unit, unsigned char label, const std::string& texts) {
  std::vector<uint32_t> units(256);
  units[0] = root;
  units[label] = unit;
  const uint32_t bytes = 1024;
  std::string map(reinterpret_cast<const char*>(&bytes), 4);
  map.append(reinterpret_cast<const char*>(units.data()), bytes);
  return map + texts;
}

TEST(HostileSentencePiece, has_character_maps_that_lead_astray) {
  expect_refused(model_of("abc"), "is cut short");
  expect_refused(model_of(std::string(8, '\xFF')), "has no double array");
  const uint32_t far = 0x3FFu << 10;
  expect_refused(model_of(map_with(far, 0, 1, "x")), "points outside of itself");
  expect_refused(model_of(map_with(0, 0, 1, "x")), "leads back to itself");
}

// The seeds of the fuzz target, through the same calls.
TEST(SentencePieceCorpus, neither_crashes_nor_hangs) {
  int seeds = 0;
  for (const auto& entry : std::filesystem::directory_iterator("tests/corpus/sentencepiece")) {
    ++seeds;
    try {
      const SentencePiece model = SentencePiece::parse(bytes_of(entry.path()), "seed");
      Ids ids;
      model.encode("Hello \u4E2D\u6587 a<s>", SentencePiece::Prefix::as_trained, ids);
      (void)model.decode(ids);
    } catch (const Error&) {
    }
  }
  EXPECT_GE(seeds, 5);
}

}  // namespace
}  // namespace octavo
