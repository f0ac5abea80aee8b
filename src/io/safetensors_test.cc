#include "io/safetensors.h"

#include <gtest/gtest.h>

#include <cstring>
#include <fstream>

#include "io/checkpoint.h"
#include "octavo/error.h"

namespace octavo {
namespace {

class SafetensorsTest : public testing::Test {
 protected:
  SafetensorsTest()
      : directory_(std::filesystem::path(testing::TempDir()) /
                   testing::UnitTest::GetInstance()->current_test_info()->name()) {
    std::filesystem::remove_all(directory_);
    std::filesystem::create_directories(directory_);
  }
  ~SafetensorsTest() override { std::filesystem::remove_all(directory_); }

  std::filesystem::path write(const std::string& header, size_t data_bytes,
                              const char* name = "model.safetensors") {
    std::ofstream file(directory_ / name, std::ios::binary);
    const uint64_t length = header.size();
    file.write(reinterpret_cast<const char*>(&length), 8);
    file << header << std::string(data_bytes, '\1');
    return directory_ / name;
  }
  void text(const char* name, const std::string& content) {
    std::ofstream(directory_ / name) << content;
  }

  std::filesystem::path directory_;
};

TEST_F(SafetensorsTest, reads_back_what_it_writes) {
  const std::vector<float> a{1, 2, 3, 4, 5, 6};
  const std::vector<int32_t> b{7, 8};
  const std::vector<TensorPlan> plan{
      {"a", DType::f32, {2, 3}}, {"b\"x", DType::i32, {2}}, {"empty", DType::u8, {0}}};
  SafetensorsWriter writer(directory_ / "model.safetensors", plan, {{"format", "pt"}});
  writer.append(std::as_bytes(std::span(a)));
  EXPECT_FALSE(std::filesystem::exists(directory_ / "model.safetensors"));
  writer.append(std::as_bytes(std::span(b)));
  writer.finish();
  const Checkpoint checkpoint = Checkpoint::open(directory_);
  EXPECT_EQ(checkpoint.names(), (std::vector<std::string>{"a", "b\"x", "empty"}));
  const TensorEntry& entry = checkpoint.get("a");
  EXPECT_EQ(entry.shape, (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(std::memcmp(checkpoint.read_all(entry).data(), a.data(), 24), 0);
  EXPECT_EQ(checkpoint.find("c"), nullptr);
  EXPECT_THROW(checkpoint.get("c"), Error);
  std::vector<std::byte> more(25);
  EXPECT_THROW(checkpoint.read(entry, 0, more), Error);
}

TEST_F(SafetensorsTest, refuses_damaged_headers) {
  const std::string good = R"({"a":{"dtype":"U8","shape":[8],"data_offsets":[0,8]}})";
  EXPECT_NO_THROW(read_safetensors_header(File(write(good, 8))));
  const std::pair<std::string, size_t> bad[] = {
      {good, 7},
      {good, 9},
      {"", 8},
      {"[1]", 8},
      {good.substr(0, 20), 8},
      {" " + good, 8},
      {R"({"a":{"dtype":"F12","shape":[8],"data_offsets":[0,8]}})", 8},
      {R"({"a":{"dtype":"U8","shape":[9],"data_offsets":[0,8]}})", 8},
      {R"({"a":{"dtype":"U8","shape":[-8],"data_offsets":[0,8]}})", 8},
      {R"({"a":{"dtype":"U8","shape":"8","data_offsets":[0,8]}})", 8},
      {R"({"a":{"dtype":"U8","shape":[8],"data_offsets":[8,0]}})", 8},
      {R"({"a":{"dtype":"U8","shape":[8],"data_offsets":[0,18446744073709551616]}})", 8},
      {R"({"a":{"dtype":"U8","shape":[4294967296,4294967296,2],"data_offsets":[0,8]}})", 8},
      {R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[6],"data_offsets":[2,8]}})",
       8},
      {R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[4,8]}})", 8},
      {R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"a":{"dtype":"U8","shape":[4],"data_offsets":[4,8]}})",
       8},
      {R"({"__metadata__":{"a":1},"a":{"dtype":"U8","shape":[8],"data_offsets":[0,8]}})", 8},
      {"{\"__metadata__\":" + std::string(100000, '['), 8},
  };
  for (const auto& [header, bytes] : bad)
    EXPECT_THROW(read_safetensors_header(File(write(header, bytes))), Error)
        << header.substr(0, 100);
}

TEST_F(SafetensorsTest, refuses_a_header_length_beyond_the_file) {
  std::ofstream(directory_ / "x", std::ios::binary) << std::string(8, '\xff') << "{}";
  EXPECT_THROW(read_safetensors_header(File(directory_ / "x")), Error);
  std::ofstream(directory_ / "y", std::ios::binary) << "1234";
  EXPECT_THROW(read_safetensors_header(File(directory_ / "y")), Error);
}

TEST_F(SafetensorsTest, follows_an_index_but_not_out_of_its_directory) {
  write(R"({"a":{"dtype":"U8","shape":[8],"data_offsets":[0,8]}})", 8, "one.safetensors");
  write(R"({"b":{"dtype":"U8","shape":[8],"data_offsets":[0,8]}})", 8, "two.safetensors");
  text("model.safetensors.index.json",
       R"({"weight_map":{"a":"one.safetensors","b":"two.safetensors"}})");
  EXPECT_EQ(Checkpoint::open(directory_).total_bytes(), 16u);
  for (const char* bad :
       {R"({"weight_map":{"a":"two.safetensors"}})", R"({"weight_map":{"a":"../one.safetensors"}})",
        R"({"weight_map":{"a":"/dev/zero"}})", R"({"weight_map":{"a":"three.safetensors"}})",
        R"({"weight_map":[1]})", "{", "{}"}) {
    text("model.safetensors.index.json", bad);
    EXPECT_THROW(Checkpoint::open(directory_), Error) << bad;
  }
}

TEST_F(SafetensorsTest, names_what_is_missing) {
  EXPECT_THROW(Checkpoint::open(directory_), Error);
  std::filesystem::create_symlink("model.safetensors", directory_ / "model.safetensors");
  EXPECT_THROW(Checkpoint::open(directory_), Error);
}

}  // namespace
}  // namespace octavo
