#include "quant/states.h"

#include <gtest/gtest.h>

#include <fstream>
#include <numeric>

namespace octavo::quant {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kRows = 6, kFeatures = 5;

// The parameter: whether the states fit into memory.
class StatesTest : public testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    folder_ = fs::path(testing::TempDir()) / "octavo_states";
    fs::remove_all(folder_);
    fs::create_directory(folder_);
    values_.resize(kRows * kFeatures);
    std::iota(values_.begin(), values_.end(), 0.5f);
  }
  void TearDown() override { fs::remove_all(folder_); }

  States open() const {
    return States(folder_, "layer", kRows, kFeatures,
                  {.memory_bytes = GetParam() ? uint64_t{1} << 20 : 0, .keep = true});
  }
  void fill(States& states, float offset) const {
    std::vector<float> rows = values_;
    for (float& v : rows) v += offset;
    states.write(0, Mat(rows.data(), {2, kFeatures}));
    states.write(2, Mat(rows.data() + 2 * kFeatures, {kRows - 2, kFeatures}));
  }
  static float first(const States& states) {
    std::vector<float> row(kFeatures);
    states.read(0, Mat(row.data(), {1, kFeatures}));
    return row[0];
  }

  fs::path folder_;
  std::vector<float> values_;
};

TEST_P(StatesTest, gives_back_the_current_while_the_next_are_written) {
  States states = open();
  EXPECT_EQ(states.in_memory(), GetParam());
  fill(states, 0);
  states.advance(0);
  EXPECT_EQ(first(states), 0.5f);
  fill(states, 100);
  if (!GetParam()) {
    EXPECT_EQ(first(states), 0.5f);  // on disk the two are apart
  }
  states.advance(1);
  EXPECT_EQ(first(states), 100.5f);
}

TEST_P(StatesTest, another_job_goes_on_with_what_was_saved) {
  std::optional<uint64_t> hash;
  {
    States states = open();
    fill(states, 7);
    hash = states.advance(3 * static_cast<int>(GetParam()));
  }
  ASSERT_TRUE(hash.has_value());
  States states = open();
  EXPECT_TRUE(states.restore(3 * static_cast<int>(GetParam()), *hash));
  EXPECT_EQ(first(states), 7.5f);
  EXPECT_FALSE(states.restore(9, *hash));
}

TEST_P(StatesTest, notices_files_that_were_cut_or_changed) {
  std::optional<uint64_t> hash;
  {
    States states = open();
    fill(states, 7);
    hash = states.advance(0);
  }
  const fs::path file = folder_ / "layer-0.states";
  ASSERT_TRUE(fs::exists(file));
  {
    std::fstream change(file, std::ios::in | std::ios::out | std::ios::binary);
    change.seekp(8);
    change.put('x');
  }
  {
    States states(folder_, "layer", kRows, kFeatures, {.memory_bytes = 1 << 20, .keep = true});
    EXPECT_FALSE(states.restore(0, *hash));
  }
  fs::resize_file(file, 12);
  States states(folder_, "layer", kRows, kFeatures, {.memory_bytes = 1 << 20, .keep = true});
  EXPECT_FALSE(states.restore(0, *hash));
}

INSTANTIATE_TEST_SUITE_P(places, StatesTest, testing::Bool());

}  // namespace
}  // namespace octavo::quant
