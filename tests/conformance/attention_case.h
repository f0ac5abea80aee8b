#pragma once

#include <memory>
#include <vector>

#include "tables.h"

namespace octavo::conformance {

struct AttentionShape {
  int64_t heads = 1, kv_heads = 1, head_dim = 64;
  DType dtype = DType::bf16;
  int64_t window = 0;
  float softcap = 0;
  enum class Bias { none, linear, rounded } bias = Bias::none;  // alibi
  bool sinks = false;
  int64_t block_tokens = 32;
  int64_t shared_tokens = 0;  // leading tokens that all sequences hold in the same blocks
};

// What a table rounds queries and probabilities to.
enum class Rounding { none, bf16, int16 };

struct Chunk {
  int64_t sequence, queries, tokens;  // the last `queries` of the first `tokens` tokens
};

// Sequences in a paged cache with shuffled blocks. What was never written is NaN.
class AttentionCase {
 public:
  AttentionCase(const AttentionShape& shape, std::vector<int64_t> sequence_tokens, uint32_t seed);

  // The cache as `ops` writes it.
  struct Cache {
    std::vector<std::byte> k, v;
    KvLayer layer;
  };
  std::unique_ptr<Cache> cache(const Ops& ops, Queue& queue) const;
  // Outputs [Σ queries, heads · head_dim] of the chunks as one batch.
  Padded run(const Ops& ops, Queue& queue, const Cache& cache,
             const std::vector<Chunk>& chunks) const;
  // Bound of |run - exact| for each output.
  Padded bound(const std::vector<Chunk>& chunks, Rounding rounding) const;

  const AttentionShape& shape() const { return shape_; }

 private:
  KvShape kv_shape() const;
  int64_t row(int64_t sequence, int64_t token) const { return first_row_[sequence] + token; }
  double row_bound(int64_t sequence, int64_t token, int64_t head, Rounding rounding) const;
  std::vector<float> bounds_of_stored(const std::vector<float>& heads) const;

  AttentionShape shape_;
  float scale_;
  std::vector<int64_t> tokens_, first_row_;
  int64_t most_blocks_ = 0, blocks_ = 0;
  std::vector<int32_t> block_table_;  // [sequences, most_blocks]
  std::vector<float> slopes_;         // [heads], with a bias
  std::vector<float> sinks_;          // [heads] or empty
  std::vector<float> most_k_,
      most_v_;                    // the largest magnitudes that k_ and v_ can have in the cache
  std::vector<float> q_, k_, v_;  // [all tokens, heads or kv heads, head_dim]
};

}  // namespace octavo::conformance
