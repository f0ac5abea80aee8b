#include "quant/document_index.h"

#include <gtest/gtest.h>

#include <fstream>
#include <set>

#include "octavo/error.h"

namespace octavo::quant {
namespace {

namespace fs = std::filesystem;

class DocumentIndexTest : public testing::Test {
 protected:
  DocumentIndexTest() {
    path_ =
        fs::path(testing::TempDir()) /
        ("documents-" + std::string(testing::UnitTest::GetInstance()->current_test_info()->name()));
  }
  ~DocumentIndexTest() override { fs::remove(path_); }

  DocumentIndex index_of(const std::string& text, DocumentIndex::Form form,
                         const IndexLimits& limits = {}) {
    std::ofstream(path_, std::ios::binary) << text;
    DocumentIndex index(limits);
    index.add(File(path_), form, "f");
    return index;
  }

  static std::vector<std::string> texts(const DocumentIndex& index) {
    std::vector<std::string> out;
    for (const Document& document : index.documents()) out.push_back(index.read(document));
    return out;
  }

  fs::path path_;
};

TEST_F(DocumentIndexTest, lines_that_are_not_blank_are_documents) {
  const auto index = index_of("a\n\n  \r\nbb\nccc", DocumentIndex::Form::lines);
  EXPECT_EQ(texts(index), (std::vector<std::string>{"a\n", "bb\n", "ccc"}));
  EXPECT_EQ(index.where(index.documents()[1]), "f, line 4");
}

TEST_F(DocumentIndexTest, a_text_is_cut_at_blank_lines) {
  const std::string paragraph(3000, 'p');
  std::string text;
  for (int i = 0; i < 5; ++i) text += paragraph + "\n\n";
  const auto index = index_of(text, DocumentIndex::Form::text);
  const std::string two = paragraph + "\n\n" + paragraph + "\n\n";
  EXPECT_EQ(texts(index), (std::vector<std::string>{two, two, paragraph + "\n\n"}));
  EXPECT_EQ(index.where(index.documents()[1]), "f, line 5");
}

TEST_F(DocumentIndexTest, a_text_without_blank_lines_is_cut_at_lines_or_anywhere) {
  const std::string line(1000, 'x');
  std::string text;
  for (int i = 0; i < 40; ++i) text += line + "\n";
  for (int i = 0; i < 200; ++i) text += line;
  const auto index = index_of(text, DocumentIndex::Form::text);
  std::string all;
  for (const std::string& piece : texts(index)) {
    EXPECT_LE(piece.size(), DocumentIndex::kLongestPiece);
    all += piece;
  }
  EXPECT_EQ(all, text);
  EXPECT_EQ(texts(index)[0].back(), '\n');
}

TEST_F(DocumentIndexTest, cuts_leave_characters_whole) {
  std::string text;
  for (int i = 0; i < 60000; ++i) text += "€";
  const auto index = index_of("x" + text, DocumentIndex::Form::text);
  ASSERT_GT(index.documents().size(), 2u);
  std::string all;
  for (const std::string& piece : texts(index)) {
    EXPECT_EQ((piece.size() - (piece[0] == 'x')) % 3, 0u);
    all += piece;
  }
  EXPECT_EQ(all, "x" + text);
}

TEST_F(DocumentIndexTest, lines_longer_than_a_chunk_are_found) {
  const std::string longer((size_t{5} << 20) / 2, 'y');
  const auto index = index_of("a\n" + longer + "\nb\n", DocumentIndex::Form::lines);
  EXPECT_EQ(texts(index), (std::vector<std::string>{"a\n", longer + "\n", "b\n"}));
}

TEST_F(DocumentIndexTest, a_part_of_a_document_is_read) {
  const auto index = index_of("0123456789", DocumentIndex::Form::lines);
  EXPECT_EQ(index.read(index.documents()[0], 3, 4), "3456");
  EXPECT_EQ(index.read(index.documents()[0], 20, 4), "");
}

TEST_F(DocumentIndexTest, the_first_are_kept_as_far_as_the_limit) {
  const auto index = index_of("aa\nbb\ncc\ndd\n", DocumentIndex::Form::lines,
                              {.keep = IndexLimits::Keep::first, .enough_bytes = 5});
  EXPECT_EQ(texts(index), (std::vector<std::string>{"aa\n", "bb\n"}));
}

TEST_F(DocumentIndexTest, a_sample_is_even_and_repeats_with_its_seed) {
  std::string text;
  for (int i = 0; i < 1000; ++i) text += std::to_string(i) + "\n";
  const auto sample = [&](uint64_t seed) {
    return texts(index_of(text, DocumentIndex::Form::lines, {.max_documents = 100, .seed = seed}));
  };
  EXPECT_EQ(sample(1), sample(1));
  EXPECT_NE(sample(1), sample(2));
  int late = 0;
  const auto drawn = sample(1);
  EXPECT_EQ(std::set<std::string>(drawn.begin(), drawn.end()).size(), 100u);
  for (const std::string& line : drawn) late += std::stoi(line) >= 500;
  EXPECT_GT(late, 30);
  EXPECT_LT(late, 70);
}

}  // namespace
}  // namespace octavo::quant
