#include "io/gguf.h"

#include <gtest/gtest.h>

#include <cstring>
#include <fstream>

#include "io/safetensors.h"
#include "model/companions.h"
#include "model/families.h"
#include "model/source.h"
#include "octavo/error.h"

namespace octavo {
namespace {

namespace fs = std::filesystem;

const fs::path kData = "tests/data/gguf";

template <class T>
std::vector<T> read_tensor(const fs::path& path, const std::string& name) {
  const File file(path);
  for (const TensorEntry& entry : read_safetensors_header(file)) {
    if (entry.name != name) continue;
    std::vector<T> values(entry.bytes / sizeof(T));
    file.read(entry.begin, std::as_writable_bytes(std::span(values)));
    return values;
  }
  return {};
}

class GgufTest : public testing::Test {
 protected:
  GgufTest()
      : directory_(fs::path(testing::TempDir()) /
                   testing::UnitTest::GetInstance()->current_test_info()->name()) {
    fs::remove_all(directory_);
    fs::create_directories(directory_);
  }
  ~GgufTest() override { fs::remove_all(directory_); }

  // The smallest header: `metadata` and `tensors` as bytes, their numbers before them.
  fs::path write(const std::string& name, uint64_t tensors, uint64_t keys,
                 const std::string& rest) const {
    std::ofstream file(directory_ / name, std::ios::binary);
    file << "GGUF" << bytes<uint32_t>(3) << bytes(tensors) << bytes(keys) << rest;
    return directory_ / name;
  }
  template <class T>
  static std::string bytes(T value) {
    return {reinterpret_cast<const char*>(&value), sizeof value};
  }
  static std::string text(const std::string& value) {
    return bytes<uint64_t>(value.size()) + value;
  }
  static std::string number(const std::string& key, uint32_t value) {
    return text(key) + bytes<uint32_t>(4) + bytes(value);
  }
  static std::string problem(const fs::path& path) {
    try {
      read_gguf_header(File(path));
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  }

  fs::path directory_;
};

// Bit by bit: the values of the `gguf` package, made by tools/make_gguf_fixtures.py.
TEST_F(GgufTest, reads_blocks_of_every_format_as_the_package_does) {
  for (int i = 1; i <= static_cast<int>(BlockType::mxfp4); ++i) {
    const auto type = static_cast<BlockType>(i);
    const std::string name(traits(type).name);
    const auto blocks = read_tensor<std::byte>(kData / "blocks.safetensors", name + ".blocks");
    const auto wanted = read_tensor<float>(kData / "blocks.safetensors", name + ".values");
    ASSERT_FALSE(wanted.empty()) << name;
    std::vector<float> values(wanted.size());
    dequantize(type, blocks.data(), static_cast<int64_t>(values.size()), values.data());
    for (size_t k = 0; k < values.size(); ++k)  // 0 and -0 are the same
      ASSERT_EQ(values[k], wanted[k]) << name << ", element " << k;
  }
}

TEST_F(GgufTest, reads_metadata_of_every_kind) {
  const auto list = [](uint32_t kind, uint64_t count) {
    return bytes<uint32_t>(9) + bytes(kind) + bytes(count);
  };
  const auto path =
      write("kinds.gguf", 0, 8,
            text("u8") + bytes<uint32_t>(0) + bytes<uint8_t>(200) + text("i16") +
                bytes<uint32_t>(3) + bytes<int16_t>(-5) + text("f") + bytes<uint32_t>(6) +
                bytes(0.5f) + text("b") + bytes<uint32_t>(7) + bytes<uint8_t>(1) + text("s") +
                bytes<uint32_t>(8) + text("é") + text("texts") + list(8, 2) + text("x") + text("") +
                text("floats") + list(6, 2) + bytes(1.5f) + bytes(2.5f) + text("nested") +
                list(9, 1) + bytes<uint32_t>(5) + bytes<uint64_t>(1) + bytes<int32_t>(7));
  const GgufMetadata found = read_gguf_header(File(path)).metadata;
  EXPECT_EQ(found.integer("u8", 0, 255), 200);
  EXPECT_EQ(found.integer("i16", -9, 9), -5);
  EXPECT_EQ(found.number("f"), 0.5);
  EXPECT_TRUE(found.flag_or("b", false));
  EXPECT_EQ(found.text("s"), "é");
  EXPECT_EQ(found.texts("texts"), (std::vector<std::string>{"x", ""}));
  EXPECT_EQ(found.numbers("floats"), (std::vector<float>{1.5f, 2.5f}));
  EXPECT_TRUE(found.has("nested"));
  EXPECT_THROW(found.integer("u8", 0, 100), Error);
  EXPECT_THROW(found.text("u8"), Error);
  EXPECT_THROW(found.text("none"), Error);
}

TEST_F(GgufTest, finds_tensors_behind_the_alignment_that_the_file_states) {
  const auto entry = text("a") + bytes<uint32_t>(2) + bytes<uint64_t>(32) + bytes<uint64_t>(2) +
                     bytes<uint32_t>(8) + bytes<uint64_t>(64);
  const auto path =
      write("tensors.gguf", 1, 1, number("general.alignment", 64) + entry + std::string(512, '\1'));
  const GgufHeader header = read_gguf_header(File(path));
  ASSERT_EQ(header.tensors.size(), 1u);
  EXPECT_EQ(header.tensors[0].shape, (std::vector<int64_t>{2, 32}));
  EXPECT_EQ(header.tensors[0].type_name(), "Q8_0");
  EXPECT_EQ(header.tensors[0].bytes, 68u);
  EXPECT_EQ(header.tensors[0].elements(), 64);
  EXPECT_EQ(header.tensors[0].begin, 192u);  // 24 + 33 + 41 = 98 bytes of header, then 64 more
}

TEST_F(GgufTest, refuses_damage_and_says_where) {
  const auto tensor = [](uint32_t type, uint64_t extent, uint64_t offset) {
    return text("weights") + bytes<uint32_t>(1) + bytes(extent) + bytes(type) + bytes(offset);
  };
  const auto file = [&](uint64_t tensors, uint64_t keys, const std::string& rest) {
    return problem(write("bad.gguf", tensors, keys, rest));
  };
  const std::string end(64, '\0');
  EXPECT_NE(file(uint64_t{1} << 60, 0, end).find("tensors do not fit"), std::string::npos);
  EXPECT_NE(file(0, uint64_t{1} << 60, end).find("keys do not fit"), std::string::npos);
  EXPECT_NE(file(0, 1, bytes<uint64_t>(uint64_t{1} << 62) + end).find("a key of"),
            std::string::npos);
  EXPECT_NE(file(0, 1, text("k") + bytes<uint32_t>(13) + end).find("unknown type 13"),
            std::string::npos);
  EXPECT_NE(file(0, 2, number("k", 1) + number("k", 1)).find("a key occurs twice"),
            std::string::npos);
  EXPECT_NE(
      file(0, 1,
           text("k") + bytes<uint32_t>(9) + bytes<uint32_t>(8) + bytes<uint64_t>(1 << 20) + end)
          .find("does not fit the file"),
      std::string::npos);
  EXPECT_NE(file(1, 0, tensor(0, uint64_t{1} << 62, 0) + end).find("tensor weights"),
            std::string::npos);
  EXPECT_NE(file(1, 0, tensor(0, 4, uint64_t{1} << 63) + end).find("outside the file"),
            std::string::npos);
  EXPECT_NE(file(1, 0, tensor(2, 33, 0) + end).find("blocks of 32"), std::string::npos);
  EXPECT_NE(file(1, 0, tensor(16, 256, 0) + end).find("format IQ2_XXS is not supported"),
            std::string::npos);
  EXPECT_NE(file(1, 0, tensor(77, 256, 0) + end).find("unknown tensor type 77"), std::string::npos);
}

// Lists within lists are read over, but not without end.
TEST_F(GgufTest, refuses_lists_nested_too_deep) {
  std::string nested = text("k") + bytes<uint32_t>(9);
  for (int i = 0; i < 100; ++i) nested += bytes<uint32_t>(9) + bytes<uint64_t>(1);
  EXPECT_NE(problem(write("deep.gguf", 0, 1, nested)).find("nested too deep"), std::string::npos);
}

TEST_F(GgufTest, opens_all_parts_of_a_split_model_from_any_of_them) {
  for (uint32_t i = 0; i < 2; ++i) {
    const std::string tensor = text(i == 0 ? "a" : "b") + bytes<uint32_t>(1) + bytes<uint64_t>(4) +
                               bytes<uint32_t>(0) + bytes<uint64_t>(0);
    write("m-0000" + std::to_string(i + 1) + "-of-00002.gguf", 1, 2,
          number("split.no", i) + number("split.count", 2) + tensor + std::string(64, '\0'));
  }
  for (const char* part : {"m-00001-of-00002.gguf", "m-00002-of-00002.gguf"}) {
    const Checkpoint checkpoint = Checkpoint::open(directory_ / part);
    EXPECT_EQ(checkpoint.names(), (std::vector<std::string>{"a", "b"}));
  }
  EXPECT_EQ(read_gguf_metadata(directory_ / "m-00002-of-00002.gguf").integer("split.no", 0, 9), 0);
  fs::rename(directory_ / "m-00001-of-00002.gguf", directory_ / "x.gguf");
  EXPECT_THROW(Checkpoint::open(directory_ / "m-00002-of-00002.gguf"), Error);
  EXPECT_THROW(Checkpoint::open(directory_ / "x.gguf"), Error);
}

// The file is made of that fixture: the same model under other names.
TEST_F(GgufTest, makes_of_metadata_the_spec_that_config_json_gives) {
  const ModelSource file = ModelSource::open(kData / "llama.gguf");
  ModelSpec wanted = spec_of(Config::read("tests/data/parity/llama/config.json"));
  wanted.names = file.spec.names;
  for (LayerSpec& layer : wanted.layers)
    std::get<AttentionSpec>(layer.mixer).rope->pairs = RopePairs::interleaved;
  EXPECT_EQ(file.spec, wanted);
  EXPECT_EQ(file.config.integer("eos_token_id", 0, 95), 2);
}

TEST_F(GgufTest, names_an_architecture_that_it_does_not_know) {
  try {
    ModelSource::open("tests/corpus/gguf/unknown.gguf");
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(error.problem().find("architecture ark is not supported"), std::string::npos);
    EXPECT_NE(error.mend().find("qwen2"), std::string::npos);
  }
}

TEST_F(GgufTest, joins_the_pieces_that_score_highest) {
  const Tokenizer tokenizer = read_tokenizer(kData / "llama.gguf");
  const auto ids = tokenizer.encode("abc ab", Tokenizer::Specials::add);
  const std::vector<std::string> wanted{"<s>", "▁abc", "▁ab"};
  ASSERT_EQ(ids.size(), wanted.size());
  for (size_t i = 0; i < ids.size(); ++i) EXPECT_EQ(tokenizer.token(ids[i]), wanted[i]);
  EXPECT_EQ(tokenizer.decode(ids, Tokenizer::InOutput::skip_special), "abc ab");
  EXPECT_EQ(tokenizer.eos()->id, 2);
}

TEST_F(GgufTest, byte_level_tokenizers_find_their_control_tokens) {
  const Tokenizer tokenizer = read_tokenizer("tests/corpus/gguf/tiny.gguf");
  EXPECT_EQ(tokenizer.encode("ab<|x|>a"), (std::vector<TokenId>{2, 3, 0}));
  EXPECT_TRUE(tokenizer.is_special(3));
}

TEST_F(GgufTest, brings_its_named_templates) {
  const ModelTemplates templates = read_templates(kData / "llama.gguf");
  EXPECT_NE(templates.pick(false), nullptr);
  EXPECT_NE(templates.pick(true), nullptr);
  EXPECT_NE(templates.pick(true), templates.pick(false));
}

}  // namespace
}  // namespace octavo
