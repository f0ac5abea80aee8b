#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "octavo/error.h"
#include "octavo/tokenizer.h"

namespace octavo {
namespace {

std::string error_of(const std::string& json) {
  try {
    (void)Tokenizer::from_json(json, "t.json");
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Error::Kind::request);
    return error.what();
  }
  return "";
}

void expect_error(const std::string& json, const std::string& part) {
  const std::string error = error_of(json);
  EXPECT_NE(error.find(part), std::string::npos) << json.substr(0, 200) << "\n-> " << error;
  EXPECT_NE(error.find("t.json"), std::string::npos) << error;
}

std::string with_model(const std::string& model, const std::string& more = "") {
  return "{\"model\": " + model + more + "}";
}

std::string bpe(const std::string& vocab, const std::string& merges) {
  return R"({"type": "BPE", "vocab": )" + vocab + R"(, "merges": )" + merges + "}";
}

const std::string kSmall = bpe(R"({"a": 0})", "[]");

TEST(HostileTokenizerFile, names_the_field_that_is_wrong) {
  expect_error("", "JSON");
  expect_error("{\"model\": ", "JSON");
  expect_error(std::string(5000, '['), "JSON");
  expect_error("[]", "not a JSON object");
  expect_error("{}", "'model' is missing");
  expect_error(R"({"model": {"type": "Quantum", "vocab": {}}})", "model.type");
  expect_error(R"({"model": {"type": "BPE", "vocab": {}}})", "'merges' is missing");
  expect_error(with_model(bpe("[]", "[]")), "model.vocab");
}

TEST(HostileTokenizerFile, has_ids_that_cost_memory) {
  expect_error(with_model(bpe(R"({"a": -1})", "[]")), "id of token 'a'");
  expect_error(with_model(bpe(R"({"a": 4294967296})", "[]")), "id of token 'a'");
  expect_error(with_model(bpe(R"({"a": 2000000000})", "[]")), "id of token 'a'");
  expect_error(with_model(bpe(R"({"a": 1.5})", "[]")), "id of token 'a'");
  expect_error(with_model(bpe(R"({"a": 0, "b": 0})", "[]")), "two tokens have the id 0");
  EXPECT_EQ(error_of(with_model(bpe(R"({"a": 0, "b": 9})", "[]"))), "");
}

TEST(HostileTokenizerFile, has_merges_of_nothing) {
  const std::string vocab = R"({"a": 0, "b": 1, "ab": 2})";
  EXPECT_EQ(error_of(with_model(bpe(vocab, R"(["a b"])"))), "");
  expect_error(with_model(bpe(vocab, R"(["a c"])")), "model.merges[0]");
  expect_error(with_model(bpe(vocab, R"(["a b", "ab a"])")), "model.merges[1]");
  expect_error(with_model(bpe(vocab, R"(["ab"])")), "model.merges[0]");
  expect_error(with_model(bpe(vocab, R"(["a b c"])")), "model.merges[0]");
  expect_error(with_model(bpe(vocab, R"([["a"]])")), "model.merges[0]");
  expect_error(with_model(bpe(vocab, R"([7])")), "model.merges[0]");
}

TEST(HostileTokenizerFile, has_components_that_do_not_exist) {
  for (const char* part : {"normalizer", "pre_tokenizer", "post_processor", "decoder"}) {
    const std::string key = std::string(", \"") + part + "\": ";
    expect_error(with_model(kSmall, key + R"({"type": "Nonsense"})"), "Nonsense");
    expect_error(with_model(kSmall, key + "7"), part);
  }
  std::string deep = R"({"type": "NFC"})";
  for (int i = 0; i < 12; ++i) deep = R"({"type": "Sequence", "normalizers": [)" + deep + "]}";
  expect_error(with_model(kSmall, ", \"normalizer\": " + deep), "nested too deep");
}

TEST(HostileTokenizerFile, has_patterns_that_are_none) {
  for (const char* pattern :
       {"(", "[a", "a{2,1}", "\\\\p{Nothing}", "\\\\p{", "(?<=a+)b", "[[[[[[[[[[[[a"}) {
    const std::string step = R"(, "pre_tokenizer": {"type": "Split", "behavior": "Isolated",
        "pattern": {"Regex": ")" +
                             std::string(pattern) + "\"}}";
    expect_error(with_model(kSmall, step), "pre_tokenizer.pattern.Regex");
  }
}

TEST(HostileTokenizerFile, has_a_pattern_that_never_ends) {
  const std::string step = R"(, "pre_tokenizer": {"type": "Split", "behavior": "Isolated",
      "pattern": {"Regex": "(a+)+$|(?:a|aa)+b|(a|a)*c"}})";
  const Tokenizer t = Tokenizer::from_json(with_model(kSmall, step), "t.json");
  EXPECT_THROW((void)t.encode(std::string(4000, 'a') + "!"), Error);
}

TEST(HostileTokenizerFile, has_broken_character_maps) {
  for (const char* map : {"!", "AAA=", "/////w==", "CAAAAP////8="}) {
    const std::string step =
        R"(, "normalizer": {"type": "Precompiled", "precompiled_charsmap": ")" + std::string(map) +
        "\"}";
    try {
      const Tokenizer t = Tokenizer::from_json(with_model(kSmall, step), "t.json");
      EXPECT_EQ(t.encode("a").size(), 1u);
    } catch (const Error&) {
    }
  }
}

TEST(HostileTokenizerFile, names_tokens_that_are_missing) {
  expect_error(with_model(kSmall, R"(, "post_processor": {"type": "TemplateProcessing", "single":
      [{"SpecialToken": {"id": "<s>", "type_id": 0}}], "special_tokens": {}})"),
               "special_tokens");
  expect_error(with_model(kSmall, R"(, "added_tokens": [{"id": -1, "content": "x"}])"),
               "added_tokens[0].id");
  expect_error(with_model(R"({"type": "Unigram", "unk_id": 3, "vocab": [["a", -1.0]]})"),
               "model.unk_id");
}

TEST(HostileTokenizerFile, without_tokenizer_says_what_to_do) {
  EXPECT_THROW((void)Tokenizer::load("tests/data"), Error);
  EXPECT_THROW((void)Tokenizer::load("tests/data/none.json"), Error);
}

// The seeds of the fuzz target, through the same calls.
TEST(TokenizerCorpus, neither_crashes_nor_hangs) {
  int seeds = 0;
  for (const auto& entry : std::filesystem::directory_iterator("tests/corpus/tokenizer")) {
    std::stringstream bytes;
    bytes << std::ifstream(entry.path(), std::ios::binary).rdbuf();
    ++seeds;
    try {
      const Tokenizer t = Tokenizer::from_json(bytes.str(), "seed");
      const auto ids =
          t.encode("Hello  w\u00F6rld <s> 123\n\u4E2D\u6587", Tokenizer::Specials::add);
      (void)t.decode(ids, Tokenizer::InOutput::skip_special);
    } catch (const Error&) {
    }
  }
  EXPECT_GE(seeds, 5);
}

}  // namespace
}  // namespace octavo
