#include "io/shard_writer.h"

#include <gtest/gtest.h>

#include "io/checkpoint.h"
#include "octavo/error.h"

namespace octavo {
namespace {

namespace fs = std::filesystem;

class ShardWriterTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::path(testing::TempDir()) / "octavo_shards";
    fs::remove_all(folder_);
    fs::create_directory(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  static std::vector<TensorPlan> three() {
    return {{"a", DType::f32, {4}}, {"b", DType::f16, {2, 3}}, {"c", DType::i32, {5}}};
  }
  static std::vector<std::byte> filled(size_t bytes, int value) {
    return std::vector<std::byte>(bytes, static_cast<std::byte>(value));
  }

  fs::path folder_;
};

TEST_F(ShardWriterTest, writes_in_any_order_what_a_checkpoint_reads) {
  for (const uint64_t shard_bytes : {uint64_t{1} << 20, uint64_t{20}}) {
    fs::remove_all(folder_);
    fs::create_directory(folder_);
    ShardWriter writer(folder_, three(), shard_bytes);
    EXPECT_EQ(writer.tensor_bytes(), 16u + 12 + 20);
    writer.write("c", 0, filled(20, 3));
    writer.write("a", 8, filled(8, 2));
    writer.write("a", 0, filled(8, 1));
    writer.write("b", 0, filled(12, 4));
    writer.finish();
    EXPECT_EQ(fs::exists(folder_ / "model.safetensors.index.json"), shard_bytes == 20);
    const Checkpoint checkpoint = Checkpoint::open(folder_);
    const auto a = checkpoint.read_all(checkpoint.get("a"));
    EXPECT_EQ(a[7], std::byte{1});
    EXPECT_EQ(a[8], std::byte{2});
    EXPECT_EQ(checkpoint.read_all(checkpoint.get("b")), filled(12, 4));
    EXPECT_EQ(checkpoint.read_all(checkpoint.get("c")), filled(20, 3));
  }
}

TEST_F(ShardWriterTest, goes_on_in_the_files_of_the_same_layout) {
  { ShardWriter(folder_, three(), 1 << 20).write("b", 0, filled(12, 9)); }
  { ShardWriter(folder_, three(), 1 << 20).write("a", 0, filled(16, 1)); }
  const Checkpoint checkpoint = Checkpoint::open(folder_);
  EXPECT_EQ(checkpoint.read_all(checkpoint.get("b")), filled(12, 9));
}

TEST_F(ShardWriterTest, begins_anew_where_the_layout_is_another) {
  { ShardWriter(folder_, three(), 1 << 20).write("b", 0, filled(12, 9)); }
  auto other = three();
  other[0].name = "z";
  { const ShardWriter writer(folder_, other, 1 << 20); }
  const Checkpoint checkpoint = Checkpoint::open(folder_);
  EXPECT_EQ(checkpoint.read_all(checkpoint.get("b")), filled(12, 0));
}

TEST_F(ShardWriterTest, says_which_folder_it_cannot_write) {
  EXPECT_THROW(ShardWriter(folder_ / "nowhere", three(), 1 << 20), Error);
}

}  // namespace
}  // namespace octavo
