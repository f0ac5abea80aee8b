// Attention of every table against the reference.

#include <cmath>
#include <limits>

#include "attention_case.h"

namespace octavo::conformance {
namespace {

class AttentionOps : public Conformance {
 protected:
  // Tables that multiply bf16 pairs or whole numbers round queries and probabilities.
  Rounding rounding(const AttentionShape& shape) const {
    const bool bf16 = ops_.attention_name == "avx512-bf16";
    if (shape.dtype == DType::f32) return Rounding::none;
    if (shape.dtype == DType::i8)
      return bf16 || ops_.attention_name == "avx512-vnni" ? Rounding::int16 : Rounding::none;
    return bf16 ? Rounding::bf16 : Rounding::none;
  }

  void expect_reference(const AttentionShape& shape, const std::vector<int64_t>& tokens,
                        const std::vector<Chunk>& chunks) {
    const AttentionCase attention(shape, tokens, 11);
    const auto mine = attention.cache(ops_, queue_);
    const auto theirs = attention.cache(reference_, queue_);
    const Padded actual = attention.run(ops_, queue_, *mine, chunks);
    const Padded expected = attention.run(reference_, queue_, *theirs, chunks);
    const Padded bound = attention.bound(chunks, rounding(shape));
    EXPECT_TRUE(actual.padding_untouched());
    for (int64_t n = 0; n < actual.mat().rows(); ++n) {
      for (int64_t i = 0; i < actual.mat().cols(); ++i) {
        // Not ASSERT_LE: a NaN must fail.
        ASSERT_TRUE(std::abs(*actual.mat().at(n, i) - *expected.mat().at(n, i)) <=
                    *bound.mat().at(n, i))
            << "row " << n << ", column " << i << ": " << *actual.mat().at(n, i) << " for "
            << *expected.mat().at(n, i) << " +- " << *bound.mat().at(n, i) << ", head size "
            << shape.head_dim << ", window " << shape.window << ", " << name(shape.dtype)
            << ", blocks of " << shape.block_tokens;
      }
    }
  }
};

constexpr DType kTypes[] = {DType::bf16, DType::f32, DType::i8, DType::f8_e4m3, DType::f8_e5m2};
const std::vector<int64_t> kTokens{1, 15, 16, 17, 33, 255, 256, 257, 600};
std::vector<Chunk> last_tokens() {
  std::vector<Chunk> chunks;
  for (size_t s = 0; s < kTokens.size(); ++s)
    chunks.push_back({static_cast<int64_t>(s), 1, kTokens[s]});
  return chunks;
}

TEST_P(AttentionOps, decodes_every_head_size_as_the_reference) {
  for (DType dtype : kTypes) {
    for (int64_t head_dim : {1, 2, 8, 15, 16, 24, 64, 80, 96, 100, 128, 256})
      expect_reference({.heads = 3, .kv_heads = 3, .head_dim = head_dim, .dtype = dtype}, kTokens,
                       last_tokens());
  }
}

TEST_P(AttentionOps, shares_keys_among_the_heads_of_a_group) {
  for (DType dtype : kTypes) {
    for (int64_t group : {2, 5, 7, 8, 9, 17, 71})
      expect_reference({.heads = 2 * group, .kv_heads = 2, .head_dim = 32, .dtype = dtype}, kTokens,
                       last_tokens());
  }
}

TEST_P(AttentionOps, prefills_ragged_chunks_as_the_reference) {
  const std::vector<Chunk> chunks{
      {0, 1, 1}, {1, 15, 15}, {4, 16, 33}, {7, 130, 257}, {8, 300, 600}};
  for (DType dtype : kTypes) {
    expect_reference({.heads = 3, .kv_heads = 1, .head_dim = 40, .dtype = dtype}, kTokens, chunks);
    expect_reference({.heads = 2, .kv_heads = 2, .head_dim = 64, .dtype = dtype}, kTokens, chunks);
  }
}

TEST_P(AttentionOps, sees_no_further_than_its_window_and_caps_its_scores) {
  const std::vector<Chunk> chunks{{3, 17, 17}, {6, 1, 256}, {7, 200, 257}, {8, 300, 600}};
  for (int64_t window : {1, 31, 32, 33, 255, 300}) {
    for (DType dtype : kTypes) {
      expect_reference(
          {.heads = 4, .kv_heads = 2, .head_dim = 32, .dtype = dtype, .window = window}, kTokens,
          chunks);
    }
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
  const bool all = ops_.attention_name == "reference";
  for (DType dtype : kTypes) {
    for (int64_t block_tokens : {16, 32, 48, 1024}) {
      KvShape shape = usual;
      shape.dtype = dtype;
      shape.block_tokens = block_tokens;
      EXPECT_TRUE(ops_.attends(shape));
    }
  }
  KvShape small_blocks = usual, odd_heads = usual, huge_heads = usual;
  small_blocks.block_tokens = 8;
  odd_heads.head_dim = 15;
  huge_heads.head_dim = 516;
  huge_heads.dtype = DType::i8;
  EXPECT_EQ(ops_.attends(small_blocks), all);
  EXPECT_EQ(ops_.attends(odd_heads), all);
  EXPECT_EQ(ops_.attends(huge_heads), all);
}

TEST_P(AttentionOps, takes_blocks_of_every_size) {
  const std::vector<Chunk> chunks{{0, 1, 1}, {3, 17, 17}, {6, 1, 256}, {7, 70, 257}, {8, 3, 600}};
  for (DType dtype : kTypes) {
    for (int64_t block_tokens : {16, 48, 64, 128, 272}) {
      for (int64_t window : {0, 40}) {
        expect_reference({.heads = 4,
                          .kv_heads = 2,
                          .head_dim = 24,
                          .dtype = dtype,
                          .window = window,
                          .block_tokens = block_tokens},
                         kTokens, chunks);
      }
    }
  }
}

TEST_P(AttentionOps, gives_sinks_their_part_of_the_softmax) {
  for (DType dtype : kTypes) {
    for (int64_t window : {0, 40}) {
      expect_reference({.heads = 6,
                        .kv_heads = 2,
                        .head_dim = 32,
                        .dtype = dtype,
                        .window = window,
                        .sinks = true},
                       kTokens, {{0, 1, 1}, {3, 17, 17}, {7, 130, 257}, {8, 1, 600}});
    }
  }
}

TEST_P(AttentionOps, attends_to_the_blocks_that_sequences_share) {
  // 17 sequences make more rows than one item takes; one has a prefix of its own, one is a chunk.
  std::vector<int64_t> tokens(17, 600);
  for (size_t s = 0; s < tokens.size(); ++s) tokens[s] = 520 + 9 * static_cast<int64_t>(s);
  std::vector<Chunk> chunks;
  for (size_t s = 0; s < tokens.size(); ++s)
    chunks.push_back({static_cast<int64_t>(s), s == 3 ? 2 : 1, tokens[s]});
  for (DType dtype : kTypes) {
    expect_reference(
        {.heads = 10, .kv_heads = 2, .head_dim = 32, .dtype = dtype, .shared_tokens = 512}, tokens,
        chunks);
  }
}

TEST_P(AttentionOps, hides_no_broken_number) {
  for (DType dtype : kTypes) {
    for (float broken : {std::nanf(""), -std::numeric_limits<float>::infinity()}) {
      for (bool in_key : {true, false}) {
        const KvShape shape{.kv_heads = 1, .head_dim = 16, .dtype = dtype};
        std::vector<std::byte> k(shape.block_bytes()), v(shape.block_bytes());
        std::vector<float> good(2 * 16, 1.0f), bad = good, q(16, 1.0f), out(16);
        bad[5] = broken;
        const std::vector<int32_t> slots{0, 1}, row_begin{0, 1}, tokens{2}, table{0};
        const KvLayer layer{shape, k.data(), v.data()};
        ops_.write_kv(queue_, ConstHeads((in_key ? bad : good).data(), {2, 1, 16}),
                      ConstHeads((in_key ? good : bad).data(), {2, 1, 16}), slots, layer);
        ops_.attention(queue_, {.q = ConstHeads(q.data(), {1, 1, 16}),
                                .kv = layer,
                                .row_begin = row_begin,
                                .kv_tokens = tokens,
                                .block_table = View<const int32_t, 2>(table.data(), {1, 1}),
                                .out = Heads(out.data(), {1, 1, 16})});
        // A key of -infinity is a token that nobody looks at, where the cache has such a number.
        if (in_key && std::isinf(broken) && size_bytes(dtype) > 1) continue;
        EXPECT_FALSE(std::isfinite(out[5])) << name(dtype) << (in_key ? " key" : " value");
      }
    }
  }
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
