#include "quant/calibration.h"

#include <gtest/gtest.h>

#include <fstream>
#include <set>

#include "model/companions.h"
#include "octavo/error.h"

namespace octavo::quant {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kVocab = 960;  // of the demo model
const fs::path kModel = "models/demo";

using Sampling = CalibrationRequest::Sampling;

class CalibrationTest : public testing::Test {
 protected:
  CalibrationTest() {
    folder_ = fs::path(testing::TempDir()) /
              ("calibration-" +
               std::string(testing::UnitTest::GetInstance()->current_test_info()->name()));
    fs::remove_all(folder_);
    fs::create_directories(folder_);
  }
  ~CalibrationTest() override { fs::remove_all(folder_); }

  std::string write(const std::string& name, const std::string& text) {
    std::ofstream(folder_ / name, std::ios::binary) << text;
    return (folder_ / name).string();
  }

  static std::vector<std::vector<TokenId>> samples(const CalibrationRequest& request) {
    return read_calibration(request, kModel, kVocab).samples;
  }

  static std::string error_of(const CalibrationRequest& request) {
    try {
      read_calibration(request, kModel, kVocab);
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  }

  static bool contains(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
  }

  fs::path folder_;
};

TEST_F(CalibrationTest, lines_of_ids_are_the_samples_in_order) {
  const auto file = write("a.jsonl", "{\"ids\": [1, 2, 3]}\n\n{\"ids\": [4]}\n{\"ids\": [5, 6]}\n");
  EXPECT_EQ(samples({.source = file,
                     .samples = 3,
                     .seq_len = 2,
                     .sampling = Sampling::sequential,
                     .seed = 9}),
            (std::vector<std::vector<TokenId>>{{1, 2}, {4}, {5, 6}}));
}

TEST_F(CalibrationTest, random_takes_some_of_the_lines_as_the_seed_says) {
  std::string text;
  for (int i = 0; i < 100; ++i) text += "{\"ids\": [" + std::to_string(i) + "]}\n";
  const auto file = write("a.jsonl", text);
  const auto draw = [&](uint64_t seed) {
    return samples({.source = file, .samples = 10, .seq_len = 4, .seed = seed});
  };
  EXPECT_EQ(draw(1), draw(1));
  EXPECT_NE(draw(1), draw(2));
  const auto drawn = draw(1);
  EXPECT_EQ(std::set(drawn.begin(), drawn.end()).size(), 10u);
}

TEST_F(CalibrationTest, texts_are_joined_and_cut_into_samples) {
  const auto file = write(
      "a.jsonl", "{\"text\": \" Mira has a lamp. \"}\n{\"text\": \"Tom goes to the mill.\"}\n");
  const Tokenizer tokenizer = read_tokenizer(kModel);
  std::vector<TokenId> stream = tokenizer.encode("Mira has a lamp.", Tokenizer::Specials::add);
  for (TokenId id : tokenizer.encode("Tom goes to the mill.", Tokenizer::Specials::add))
    stream.push_back(id);
  const Calibration made = read_calibration(
      {.source = file, .seq_len = 4, .sampling = Sampling::sequential}, kModel, kVocab);
  EXPECT_EQ(made.documents, 2);
  ASSERT_EQ(made.samples.size(), stream.size() / 4);
  for (size_t i = 0; i < made.samples.size() * 4; ++i)
    EXPECT_EQ(made.samples[i / 4][i % 4], stream[i]);
  EXPECT_EQ(made.tokens(), static_cast<int64_t>(made.samples.size() * 4));
}

TEST_F(CalibrationTest, conversations_go_through_the_chat_template) {
  const auto file = write("a.jsonl",
                          "{\"messages\": [{\"role\": \"user\", \"content\": \"Hello!\"}, "
                          "{\"role\": \"assistant\", \"content\": \"Hello Mira!\"}]}\n");
  const Tokenizer tokenizer = read_tokenizer(kModel);
  const auto made =
      samples({.source = file, .samples = 1, .seq_len = 8, .sampling = Sampling::sequential});
  const std::string text = tokenizer.decode(made[0], Tokenizer::InOutput::keep_special);
  EXPECT_TRUE(contains(text, "Hello!") && text.size() > 8) << text;
  EXPECT_TRUE(tokenizer.is_special(made[0][0])) << text;
}

TEST_F(CalibrationTest, a_folder_gives_all_its_files) {
  write("b.jsonl", "{\"text\": \"Tom goes to the mill.\"}\n");
  write("a.txt", "Mira has a lamp.\n");
  write("notes.json", "not read");
  const Calibration made = read_calibration(
      {.source = folder_.string(), .seq_len = 4, .sampling = Sampling::sequential}, kModel, kVocab);
  EXPECT_EQ(made.documents, 2);
  const Tokenizer tokenizer = read_tokenizer(kModel);
  EXPECT_TRUE(
      contains(tokenizer.decode(made.samples[0], Tokenizer::InOutput::skip_special), "Mira"));
}

TEST_F(CalibrationTest, the_bundled_model_brings_its_own) {
  const Calibration made = read_calibration({.seq_len = 256}, kModel, kVocab);
  EXPECT_EQ(made.samples.size(), 128u);
  EXPECT_TRUE(contains(made.source, "calibration.jsonl"));
  for (const auto& sample : made.samples) EXPECT_EQ(sample.size(), 256u);
}

TEST_F(CalibrationTest, a_model_without_its_own_is_told_what_to_give) {
  try {
    read_calibration({.samples = 4, .seq_len = 100}, folder_, kVocab);
    FAIL();
  } catch (const Error& error) {
    EXPECT_TRUE(contains(error.what(), "--calibration") && contains(error.what(), "400 tokens"))
        << error.what();
  }
}

TEST_F(CalibrationTest, a_long_text_is_sampled_from_everywhere) {
  std::string text;
  for (int i = 0; i < 4000; ++i) text += i < 2000 ? "lamp lamp lamp\n\n" : "mill mill mill\n\n";
  const auto file = write("a.txt", text);
  const Tokenizer tokenizer = read_tokenizer(kModel);
  int lamps = 0, mills = 0;
  for (const auto& sample : samples({.source = file, .samples = 8, .seq_len = 64, .seed = 3})) {
    const auto part = tokenizer.decode(sample, Tokenizer::InOutput::skip_special);
    lamps += contains(part, "lamp");
    mills += contains(part, "mill");
  }
  EXPECT_GT(lamps, 0);
  EXPECT_GT(mills, 0);
}

TEST_F(CalibrationTest, one_long_document_is_used_whole_where_parts_are_too_short) {
  std::string words;
  for (int i = 0; i < 500; ++i) words += "lamp ";
  const auto file = write("a.jsonl", "{\"text\": \"" + words + "\"}\n{\"text\": \"a\"}\n");
  EXPECT_EQ(samples({.source = file, .samples = 16, .seq_len = 16}).size(), 16u);
}

TEST_F(CalibrationTest, too_little_is_said_with_figures) {
  const auto file = write("a.txt", "Mira has a lamp.");
  const auto none = error_of({.source = file, .seq_len = 512});
  EXPECT_TRUE(contains(none, "samples of 512 need 512") && contains(none, "--seq-len")) << none;
  const auto ids = write("b.jsonl", "{\"ids\": [1, 2]}\n{\"ids\": [3]}\n");
  const auto few = error_of({.source = ids, .samples = 4, .seq_len = 2});
  EXPECT_TRUE(contains(few, "only 3 tokens") && contains(few, "--samples 2")) << few;
  EXPECT_EQ(samples({.source = ids, .seq_len = 2}).size(), 2u);
}

TEST_F(CalibrationTest, names_the_line_of_what_is_wrong) {
  const auto error = [&](const std::string& line) {
    return error_of({.source = write("a.jsonl", "{\"ids\": [1]}\n" + line),
                     .seq_len = 1,
                     .sampling = Sampling::sequential});
  };
  EXPECT_TRUE(contains(error("{\"ids\": [960]}"), "a.jsonl, line 2"));
  EXPECT_TRUE(contains(error("{\"ids\": [960]}"), "id 960 is none of a vocabulary of 960"));
  EXPECT_TRUE(contains(error("{\"ids\": [-1]}"), "id -1"));
  EXPECT_TRUE(contains(error("{\"ids\": []}"), "no ids"));
  EXPECT_TRUE(contains(error("{\"text\": \"a\"}"), "use one kind of line"));
  EXPECT_TRUE(contains(error("{\"ids\": "), "line 2"));
  EXPECT_TRUE(contains(error("7"), "no JSON object"));
  const auto text = error_of({.source = write("b.jsonl", "{\"txt\": \"a\"}"), .seq_len = 1});
  EXPECT_TRUE(contains(text, "none of \"text\"")) << text;
}

TEST_F(CalibrationTest, checks_what_is_asked_for) {
  const auto file = write("a.jsonl", "{\"ids\": [1]}");
  EXPECT_TRUE(contains(error_of({.source = file, .seq_len = 0}), "(--seq-len): use 1"));
  EXPECT_TRUE(contains(error_of({.source = file, .samples = 0}), "(--samples): use 1"));
  EXPECT_TRUE(contains(error_of({.source = "no/where/at/all"}), "no such file or folder"));
  EXPECT_TRUE(contains(error_of({.source = "owner/no-such-data"}), "--repo-type dataset"));
  fs::create_directories(folder_ / "empty");
  EXPECT_TRUE(contains(error_of({.source = (folder_ / "empty").string()}), "no .jsonl, .txt or"));
}

TEST_F(CalibrationTest, finds_a_data_set_in_the_hub_cache) {
  const std::string commit(40, 'a');
  const fs::path root = folder_ / "datasets--owner--data";
  fs::create_directories(root / "refs");
  fs::create_directories(root / "snapshots" / commit / "data");
  std::ofstream(root / "refs" / "main") << commit;
  std::ofstream(root / "snapshots" / commit / "data" / "train.jsonl") << "{\"ids\": [7]}\n";
  std::ofstream(root / "snapshots" / commit / "data" / "test.jsonl") << "{\"ids\": [8]}\n";
  ASSERT_EQ(setenv("HF_HUB_CACHE", folder_.c_str(), 1), 0);
  const auto made = samples({.source = "owner/data", .seq_len = 1});
  unsetenv("HF_HUB_CACHE");
  EXPECT_EQ(made, (std::vector<std::vector<TokenId>>{{7}}));
}

TEST_F(CalibrationTest, parquet_without_its_helper_says_what_is_missing) {
  const auto file = write("a.parquet", "PAR1");
  ASSERT_EQ(setenv("OCTAVO_PYTHON", "/no/such/python", 1), 0);
  const auto error = error_of({.source = file});
  unsetenv("OCTAVO_PYTHON");
  EXPECT_TRUE(contains(error, "python3 with pyarrow") && contains(error, "JSONL")) << error;
}

}  // namespace
}  // namespace octavo::quant
