#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "octavo/error.h"
#include "octavo/tokenizer.h"

namespace octavo {
namespace {

using Ids = std::vector<TokenId>;
using Specials = Tokenizer::Specials;
using InOutput = Tokenizer::InOutput;

// A directory with the files of a tokenizer.
class Folder {
 public:
  explicit Folder(const std::string& name)
      : dir_(std::filesystem::temp_directory_path() / ("octavo_old_forms_" + name)) {
    std::filesystem::create_directories(dir_);
  }
  ~Folder() { std::filesystem::remove_all(dir_); }
  Folder& with(const std::string& file, const std::string& text) {
    std::ofstream(dir_ / file) << text;
    return *this;
  }
  Tokenizer load() const { return Tokenizer::load(dir_); }
  std::string error() const {
    try {
      (void)load();
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  }

 private:
  std::filesystem::path dir_;
};

constexpr const char* kVocab =
    R"({"a": 0, "b": 1, "ab": 2, "\u0120": 3, "\u0120a": 4, "<|endoftext|>": 5, "1": 6})";
constexpr const char* kMerges = "#version: 0.2\na b\n\u0120 a\n";

TEST(OldForms, merges_beside_a_vocabulary_are_byte_level_bpe) {
  const Tokenizer t = Folder("gpt2").with("vocab.json", kVocab).with("merges.txt", kMerges).load();
  EXPECT_EQ(t.encode("ab a b<|endoftext|>"), (Ids{2, 4, 3, 1, 5}));
  EXPECT_EQ(t.decode(Ids{2, 4, 5}, InOutput::skip_special), "ab a");
  EXPECT_EQ(t.eos()->id, 5);
  EXPECT_EQ(t.encode("a", Specials::add), Ids{0});
}

TEST(OldForms, the_config_decides_about_bos_and_the_first_space) {
  const Tokenizer t = Folder("opt")
                          .with("vocab.json", kVocab)
                          .with("merges.txt", kMerges)
                          .with("tokenizer_config.json",
                                R"({"tokenizer_class": "GPT2Tokenizer", "add_bos_token": true,
                                    "add_prefix_space": true, "bos_token": "<|endoftext|>"})")
                          .load();
  EXPECT_EQ(t.encode("a", Specials::add), (Ids{5, 4}));
}

TEST(OldForms, qwen2_cuts_digits_one_by_one) {
  Folder folder("qwen2");
  folder.with("vocab.json", R"({"1": 0, "11": 1})").with("merges.txt", "1 1\n");
  EXPECT_EQ(folder.load().encode("11"), Ids{1});
  folder.with("tokenizer_config.json", R"({"tokenizer_class": "Qwen2TokenizerFast"})");
  EXPECT_EQ(folder.load().encode("11"), (Ids{0, 0}));
}

TEST(OldForms, lines_of_pieces_are_word_piece) {
  Folder folder("bert");
  folder.with("vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\nun\n##do\nUn\n");
  EXPECT_EQ(folder.load().encode("Undo x [SEP]", Specials::add), (Ids{2, 4, 5, 1, 3, 3}));
  folder.with("tokenizer_config.json", R"({"do_lower_case": false})");
  EXPECT_EQ(folder.load().encode("Undo"), (Ids{6, 5}));
}

// "YQ==" is a, "Yg==" b, "YWI=" ab, "YWJh" aba.
constexpr const char* kRanks = "YQ== 0\nYg== 1\nYWI= 2\nYWJh 3\n";

TEST(OldForms, ranks_merge_what_is_a_token) {
  for (const char* name : {"x.tiktoken", "tokenizer.model"}) {
    const Tokenizer t = Folder("ranks").with(name, kRanks).load();
    EXPECT_EQ(t.encode("ab"), Ids{2});
    EXPECT_EQ(t.encode("aba"), Ids{3});
    EXPECT_EQ(t.encode("abab"), (Ids{2, 2}));
    EXPECT_EQ(t.decode(Ids{3, 1}, InOutput::keep_special), "abab");
  }
}

TEST(OldForms, qwen_has_its_special_tokens_behind_the_ranks) {
  const Tokenizer t = Folder("qwen").with("qwen.tiktoken", kRanks).load();
  EXPECT_EQ(t.encode("a<|im_start|>"), (Ids{0, 5}));
  EXPECT_EQ(t.eos()->id, 4);
  EXPECT_EQ(t.vocab_size(), 4 + 3 + 205);
}

TEST(OldForms, chatglm_starts_with_its_own_tokens) {
  Folder folder("chatglm");
  std::filesystem::copy_file(
      "tests/data/tokenizers/pieces_bpe.model",
      std::filesystem::temp_directory_path() / "octavo_old_forms_chatglm" / "tokenizer.model",
      std::filesystem::copy_options::overwrite_existing);
  folder.with("tokenizer_config.json", R"({"tokenizer_class": "ChatGLMTokenizer"})");
  const Tokenizer t = folder.load();
  const Ids ids = t.encode("a<|user|>", Specials::add);
  EXPECT_EQ(ids, (Ids{401, 403, 277, 406}));
}

TEST(OldForms, are_refused_with_what_is_wrong) {
  EXPECT_NE(Folder("none").error().find("no tokenizer.json"), std::string::npos);
  EXPECT_NE(Folder("lone").with("vocab.json", kVocab).error().find("no tokenizer.json"),
            std::string::npos);
  EXPECT_NE(Folder("broken").with("vocab.json", "{").with("merges.txt", "").error().find("JSON"),
            std::string::npos);
  EXPECT_NE(Folder("merge")
                .with("vocab.json", kVocab)
                .with("merges.txt", "a x\n")
                .error()
                .find("names a token that the vocabulary lacks"),
            std::string::npos);
  EXPECT_NE(Folder("rank").with("x.tiktoken", "YQ== 0\n!!! 1\n").error().find("line 2"),
            std::string::npos);
  EXPECT_NE(Folder("huge").with("x.tiktoken", "YQ== 99999999999\n").error().find("id of token"),
            std::string::npos);
  EXPECT_NE(Folder("own")
                .with("vocab.json", kVocab)
                .with("merges.txt", kMerges)
                .with("tokenizer_config.json", R"({"tokenizer_class": "BioGptTokenizer"})")
                .error()
                .find("BioGptTokenizer"),
            std::string::npos);
}

}  // namespace
}  // namespace octavo
