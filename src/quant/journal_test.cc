#include "quant/journal.h"

#include <gtest/gtest.h>

#include <fstream>

#include "base/json.h"

namespace octavo::quant {
namespace {

namespace fs = std::filesystem;

class JournalTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::path(testing::TempDir()) / "octavo_journal";
    fs::remove_all(folder_);
    fs::create_directory(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  static Journal::Layer layer(int64_t index) {
    LayerOutcome outcome;
    outcome.layer = {.layer = index, .output_error = 0.25, .rounding_error = 0.5, .seconds = 2};
    MatrixReport matrix{.name = "m" + std::to_string(index), .layer = index, .out = 3, .in = 4};
    matrix.clipped = {1, 2};
    matrix.outliers = {{.channel = 5, .ratio = 7}};
    outcome.matrices.push_back(matrix);
    outcome.scales.push_back({.from = "norm", .to = "q, k, v", .ratio = 0.3, .scales = {1, 0.5f}});
    return {.report = outcome, .states = 12345678901234567890u, .float_states = {}};
  }
  void two_layers() const {
    Journal journal(folder_, "job");
    journal.finish_step("copied", true);
    journal.finish_layer(layer(0));
    journal.finish_layer(layer(1));
  }

  fs::path folder_;
};

TEST_F(JournalTest, remembers_steps_and_layers) {
  two_layers();
  const Journal journal(folder_, "job");
  ASSERT_NE(journal.step("copied"), nullptr);
  EXPECT_EQ(journal.step("head"), nullptr);
  ASSERT_EQ(journal.layers().size(), 2u);
  const Journal::Layer& last = journal.layers()[1];
  EXPECT_EQ(last.states, 12345678901234567890u);
  EXPECT_FALSE(last.float_states.has_value());
  EXPECT_EQ(last.report.matrices[0].name, "m1");
  EXPECT_EQ(last.report.matrices[0].outliers[0].channel, 5);
  EXPECT_EQ(last.report.scales[0].scales[1], 0.5f);
}

TEST_F(JournalTest, begins_anew_for_another_job) {
  two_layers();
  EXPECT_TRUE(Journal(folder_, "other").layers().empty());
  EXPECT_TRUE(Journal(folder_, "job").layers().empty());  // what was there is gone
}

TEST_F(JournalTest, leaves_out_a_last_line_that_was_cut_short) {
  two_layers();
  const fs::path file = folder_ / Journal::kName;
  fs::resize_file(file, fs::file_size(file) - 10);
  {
    Journal journal(folder_, "job");
    ASSERT_EQ(journal.layers().size(), 1u);
    journal.finish_layer(layer(1));
  }
  EXPECT_EQ(Journal(folder_, "job").layers().size(), 2u);
}

TEST_F(JournalTest, stops_at_what_makes_no_sense) {
  two_layers();
  std::ofstream(folder_ / Journal::kName, std::ios::app) << "{\"layer\": 2, \"report\": 7}\n";
  EXPECT_EQ(Journal(folder_, "job").layers().size(), 2u);
  std::ofstream(folder_ / Journal::kName, std::ios::trunc) << "nonsense\n";
  EXPECT_TRUE(Journal(folder_, "job").layers().empty());
}

}  // namespace
}  // namespace octavo::quant
