// Attention of every table against the reference.

#include <cmath>

#include "attention_case.h"

namespace octavo::conformance {
namespace {

class AttentionOps : public Conformance {
 protected:
  // Tables that multiply bf16 pairs round queries and probabilities.
  bool rounds(const AttentionShape& shape) const {
    return shape.dtype == DType::bf16 && ops_.attention_name.find("bf16") != std::string_view::npos;
  }

  void expect_reference(const AttentionShape& shape, const std::vector<int64_t>& tokens,
                        const std::vector<Chunk>& chunks) {
    const AttentionCase attention(shape, tokens, 11);
    const auto mine = attention.cache(ops_, queue_);
    const auto theirs = attention.cache(reference_, queue_);
    const Padded actual = attention.run(ops_, queue_, *mine, chunks);
    const Padded expected = attention.run(reference_, queue_, *theirs, chunks);
    const Padded bound = attention.bound(chunks, rounds(shape));
    EXPECT_TRUE(actual.padding_untouched());
    for (int64_t n = 0; n < actual.mat().rows(); ++n) {
      for (int64_t i = 0; i < actual.mat().cols(); ++i) {
        // Not ASSERT_LE: a NaN must fail.
        ASSERT_TRUE(std::abs(*actual.mat().at(n, i) - *expected.mat().at(n, i)) <=
                    *bound.mat().at(n, i))
            << "row " << n << ", column " << i << ": " << *actual.mat().at(n, i) << " for "
            << *expected.mat().at(n, i) << " +- " << *bound.mat().at(n, i) << ", head size "
            << shape.head_dim << ", window " << shape.window;
      }
    }
  }
};

const std::vector<int64_t> kTokens{1, 15, 16, 17, 33, 255, 256, 257, 600};
std::vector<Chunk> last_tokens() {
  std::vector<Chunk> chunks;
  for (size_t s = 0; s < kTokens.size(); ++s)
    chunks.push_back({static_cast<int64_t>(s), 1, kTokens[s]});
  return chunks;
}

TEST_P(AttentionOps, decodes_every_head_size_as_the_reference) {
  for (DType dtype : {DType::bf16, DType::f32}) {
    for (int64_t head_dim : {1, 2, 8, 15, 16, 24, 64, 80, 96, 100, 128, 256})
      expect_reference({.heads = 3, .kv_heads = 3, .head_dim = head_dim, .dtype = dtype}, kTokens,
                       last_tokens());
  }
}

TEST_P(AttentionOps, shares_keys_among_the_heads_of_a_group) {
  for (DType dtype : {DType::bf16, DType::f32}) {
    for (int64_t group : {2, 5, 7, 8, 9, 17, 71})
      expect_reference({.heads = 2 * group, .kv_heads = 2, .head_dim = 32, .dtype = dtype}, kTokens,
                       last_tokens());
  }
}

TEST_P(AttentionOps, prefills_ragged_chunks_as_the_reference) {
  const std::vector<Chunk> chunks{
      {0, 1, 1}, {1, 15, 15}, {4, 16, 33}, {7, 130, 257}, {8, 300, 600}};
  for (DType dtype : {DType::bf16, DType::f32}) {
    expect_reference({.heads = 3, .kv_heads = 1, .head_dim = 40, .dtype = dtype}, kTokens, chunks);
    expect_reference({.heads = 2, .kv_heads = 2, .head_dim = 64, .dtype = dtype}, kTokens, chunks);
  }
}

TEST_P(AttentionOps, sees_no_further_than_its_window_and_caps_its_scores) {
  const std::vector<Chunk> chunks{{3, 17, 17}, {6, 1, 256}, {7, 200, 257}, {8, 300, 600}};
  for (int64_t window : {1, 31, 32, 33, 255, 300}) {
    expect_reference({.heads = 4, .kv_heads = 2, .head_dim = 32, .window = window}, kTokens,
                     chunks);
    expect_reference({.heads = 2,
                      .kv_heads = 2,
                      .head_dim = 16,
                      .dtype = DType::f32,
                      .window = window,
                      .softcap = 3},
                     kTokens, chunks);
  }
}

TEST_P(AttentionOps, says_which_caches_it_takes) {
  const KvShape usual{.kv_heads = 2, .head_dim = 64, .dtype = DType::bf16};
  EXPECT_TRUE(ops_.attends(usual));
  KvShape small_blocks = usual, odd_heads = usual;
  small_blocks.block_tokens = 16;
  odd_heads.head_dim = 15;
  const bool all = ops_.attention_name == "reference";
  EXPECT_EQ(ops_.attends(small_blocks), all);
  EXPECT_EQ(ops_.attends(odd_heads), all);
}

TEST_P(AttentionOps, biases_scores_by_distance) {
  using Bias = AttentionShape::Bias;
  const std::vector<Chunk> chunks{{3, 17, 17}, {6, 1, 256}, {7, 200, 257}, {8, 300, 600}};
  for (Bias bias : {Bias::linear, Bias::rounded}) {
    expect_reference({.heads = 4, .kv_heads = 2, .head_dim = 32, .bias = bias}, kTokens, chunks);
    expect_reference({.heads = 3,
                      .kv_heads = 3,
                      .head_dim = 16,
                      .dtype = DType::f32,
                      .window = 33,
                      .bias = bias},
                     kTokens, chunks);
  }
}

TEST_P(AttentionOps, decodes_a_long_context_as_the_reference) {
  expect_reference({.heads = 7, .kv_heads = 1, .head_dim = 64}, {4097}, {{0, 1, 4097}});
  expect_reference({.heads = 2, .kv_heads = 1, .head_dim = 64, .dtype = DType::f32}, {4097},
                   {{0, 2, 4097}});
}

OCTAVO_EVERY_TABLE(AttentionOps);

}  // namespace
}  // namespace octavo::conformance
