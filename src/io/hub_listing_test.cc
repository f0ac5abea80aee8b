#include "io/hub_listing.h"

#include <gtest/gtest.h>

#include "octavo/error.h"

namespace octavo {
namespace {

const std::string kCommit(40, 'a'), kLarge(64, 'b');

std::string small(const std::string& name) {
  return R"({"rfilename":")" + name + R"(","size":3,"blobId":")" + kCommit + R"("})";
}

std::string listing_of(const std::string& siblings) {
  return R"({"sha":")" + kCommit + R"(","siblings":[)" + siblings + "]}";
}

HubListing with_files(std::initializer_list<const char*> names) {
  HubListing listing{.commit = kCommit, .files = {}};
  for (const char* name : names)
    listing.files.push_back({.name = name, .bytes = 1, .checksum = kCommit});
  return listing;
}

std::vector<std::string> chosen(const HubListing& listing, const HubSelection& selection = {}) {
  std::vector<std::string> names;
  for (const HubFile& file : select_files(listing, selection)) names.push_back(file.name);
  return names;
}

TEST(HubListing, reads_small_and_large_files) {
  const HubListing listing = HubListing::parse(
      listing_of(small("config.json") + R"(,{"rfilename":"model.safetensors","size":9,"blobId":")" +
                 kCommit + R"(","lfs":{"sha256":")" + kLarge + R"(","size":9,"pointerSize":133}})"),
      "hub");
  ASSERT_EQ(listing.files.size(), 2u);
  EXPECT_EQ(listing.commit, kCommit);
  EXPECT_EQ(listing.files[0].checksum, kCommit);
  EXPECT_FALSE(listing.files[0].is_large);
  EXPECT_EQ(listing.files[1].checksum, kLarge);
  EXPECT_EQ(listing.files[1].bytes, 9u);
}

TEST(HubListing, refuses_what_no_hub_would_say) {
  EXPECT_NO_THROW(HubListing::parse(listing_of(small("a/b.json")), "hub"));
  for (const char* name : {"../a", "/a", "a/../b", "a//b", ".", "a/", "a\\\\b", "", "a\\u0000b"})
    EXPECT_THROW(HubListing::parse(listing_of(small(name)), "hub"), Error) << name;
  for (const std::string& text :
       {std::string("[]"), std::string("{}"), std::string(R"({"sha":"x","siblings":[]})"),
        R"({"sha":")" + kCommit + R"("})", listing_of("1"), listing_of("{}"),
        listing_of(R"({"rfilename":"a","size":-1,"blobId":")" + kCommit + R"("})"),
        listing_of(R"({"rfilename":"a","size":1})"),
        listing_of(R"({"rfilename":"a","size":1,"blobId":"../../../x"})")})
    EXPECT_THROW(HubListing::parse(text, "hub"), Error) << text;
}

TEST(HubListing, chooses_what_a_model_needs) {
  EXPECT_EQ(chosen(with_files({"README.md", "config.json", "merges.txt", "tokenizer.model",
                               "chat_template.jinja", "model-00001-of-00002.safetensors",
                               "model-00002-of-00002.safetensors", "model.safetensors.index.json",
                               "pytorch_model.bin", "onnx/model.onnx", "original/params.json",
                               "consolidated.safetensors", "x.gguf", "training_args.bin"})),
            (std::vector<std::string>{"config.json", "merges.txt", "tokenizer.model",
                                      "chat_template.jinja", "model-00001-of-00002.safetensors",
                                      "model-00002-of-00002.safetensors",
                                      "model.safetensors.index.json"}));
  EXPECT_EQ(chosen(with_files({"config.json", "pytorch_model.bin", "training_args.bin"})),
            (std::vector<std::string>{"config.json", "pytorch_model.bin"}));
  EXPECT_EQ(chosen(with_files({"a.gguf"})), (std::vector<std::string>{"a.gguf"}));
  EXPECT_TRUE(chosen(with_files({"a.gguf", "b.gguf"})).empty());
}

TEST(HubListing, lets_patterns_choose_instead) {
  const HubListing listing =
      with_files({"config.json", "a-Q4_K.gguf", "a-Q8_0.gguf", "sub/x.json"});
  EXPECT_EQ(chosen(listing, {.include = {"*Q4*"}, .exclude = {}}),
            (std::vector<std::string>{"a-Q4_K.gguf"}));
  EXPECT_EQ(chosen(listing, {.include = {"*.json"}, .exclude = {"sub/*"}}),
            (std::vector<std::string>{"config.json"}));
}

}  // namespace
}  // namespace octavo
