#include "attention_case.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace octavo::conformance {

AttentionCase::AttentionCase(const AttentionShape& shape, std::vector<int64_t> sequence_tokens,
                             uint32_t seed)
    : shape_(shape),
      scale_(1 / std::sqrt(static_cast<float>(shape.head_dim))),
      tokens_(std::move(sequence_tokens)) {
  Random random(seed);
  int64_t rows = 0;
  for (int64_t tokens : tokens_) {
    first_row_.push_back(rows);
    rows += tokens;
    most_blocks_ = std::max(most_blocks_, (tokens + shape.block_tokens - 1) / shape.block_tokens);
  }
  blocks_ = most_blocks_ * static_cast<int64_t>(tokens_.size()) + 2;
  std::vector<int32_t> order(blocks_);
  std::iota(order.begin(), order.end(), 0);
  for (int64_t i = blocks_ - 1; i > 0; --i) std::swap(order[i], order[random.below(i + 1)]);
  block_table_.assign(order.begin(), order.end() - 2);
  q_ = random.normals(rows * shape.heads * shape.head_dim, 2);
  k_ = random.normals(rows * shape.kv_heads * shape.head_dim);
  v_ = random.normals(rows * shape.kv_heads * shape.head_dim);
  const int64_t width = shape.kv_heads * shape.head_dim;
  for (size_t s = 1; s < tokens_.size(); ++s) {
    std::copy_n(k_.begin(), shape.shared_tokens * width, k_.begin() + first_row_[s] * width);
    std::copy_n(v_.begin(), shape.shared_tokens * width, v_.begin() + first_row_[s] * width);
    std::copy_n(block_table_.begin(), shape.shared_tokens / shape.block_tokens,
                block_table_.begin() + static_cast<int64_t>(s) * most_blocks_);
  }
  most_k_ = bounds_of_stored(k_);
  most_v_ = bounds_of_stored(v_);
  if (shape.sinks) sinks_ = random.normals(shape.heads, 2);
  if (shape.bias == AttentionShape::Bias::none) return;
  for (int64_t h = 0; h < shape.heads; ++h) slopes_.push_back(0.3f / static_cast<float>(h + 1));
}

KvShape AttentionCase::kv_shape() const {
  return {.kv_heads = shape_.kv_heads,
          .head_dim = shape_.head_dim,
          .block_tokens = shape_.block_tokens,
          .dtype = shape_.dtype};
}

std::unique_ptr<AttentionCase::Cache> AttentionCase::cache(const Ops& ops, Queue& queue) const {
  auto made = std::make_unique<Cache>();
  const KvShape shape = kv_shape();
  made->k.assign(blocks_ * shape.block_bytes(), std::byte{0xFF});
  made->v = made->k;
  made->layer = {shape, made->k.data(), made->v.data()};
  std::vector<int32_t> slots;
  for (size_t s = 0; s < tokens_.size(); ++s) {
    for (int64_t t = 0; t < tokens_[s]; ++t) {
      const int64_t block = block_table_[s * most_blocks_ + t / shape.block_tokens];
      slots.push_back(static_cast<int32_t>(block * shape.block_tokens + t % shape.block_tokens));
    }
  }
  const auto rows = static_cast<int64_t>(slots.size());
  ops.write_kv(queue, ConstHeads(k_.data(), {rows, shape.kv_heads, shape.head_dim}),
               ConstHeads(v_.data(), {rows, shape.kv_heads, shape.head_dim}), slots, made->layer);
  return made;
}

Padded AttentionCase::run(const Ops& ops, Queue& queue, const Cache& cache,
                          const std::vector<Chunk>& chunks) const {
  std::vector<int32_t> row_begin{0}, kv_tokens, table;
  const int64_t width = shape_.heads * shape_.head_dim;
  std::vector<float> q;
  for (const Chunk& c : chunks) {
    row_begin.push_back(static_cast<int32_t>(row_begin.back() + c.queries));
    kv_tokens.push_back(static_cast<int32_t>(c.tokens));
    const auto* blocks = block_table_.data() + c.sequence * most_blocks_;
    table.insert(table.end(), blocks, blocks + most_blocks_);
    const float* first = q_.data() + row(c.sequence, c.tokens - c.queries) * width;
    q.insert(q.end(), first, first + c.queries * width);
  }
  const int64_t rows = row_begin.back();
  Padded out(rows, width);
  ops.attention(queue, {.q = ConstHeads(q.data(), {rows, shape_.heads, shape_.head_dim}),
                        .kv = cache.layer,
                        .row_begin = row_begin,
                        .kv_tokens = kv_tokens,
                        .block_table = View<const int32_t, 2>(
                            table.data(), {static_cast<int64_t>(chunks.size()), most_blocks_}),
                        .scale = scale_,
                        .window = shape_.window,
                        .alibi = {.slopes = slopes_,
                                  .scale = 0.5f,
                                  .bf16 = shape_.bias == AttentionShape::Bias::rounded},
                        .softcap = shape_.softcap,
                        .sinks = sinks_,
                        .out = out.heads(shape_.heads)});
  return out;
}

std::vector<float> AttentionCase::bounds_of_stored(const std::vector<float>& heads) const {
  std::vector<float> most(heads.size());
  for (size_t head = 0; head < heads.size(); head += shape_.head_dim) {
    float step = 0;
    for (int64_t i = 0; i < shape_.head_dim; ++i)
      step = std::max(step, std::abs(heads[head + i]) * 0.005f);
    for (int64_t i = 0; i < shape_.head_dim; ++i) {
      const float x = std::abs(heads[head + i]);
      const bool wide = size_bytes(shape_.dtype) > 1;
      most[head + i] = wide                        ? x * (1 + static_cast<float>(kBf16Unit))
                       : shape_.dtype == DType::i8 ? x + step
                                                   : x * 1.13f + 0x1p-9f;
    }
  }
  return most;
}

// Scores err by d <= (e + 8) u scale Σ|q||k| (their rounding to bf16 adds 2^-8 of that sum, that to
// 16 bits 2^-16 of the largest q), which changes a probability by a factor within e^(±2d); sums of
// t probabilities add t u, their own rounding to bf16 twice 2^-8, that to 16 bits 2^-17 of the
// largest of a tile for each. Each output is a mean of |v| <= max |v| under such probabilities.
double AttentionCase::row_bound(int64_t sequence, int64_t token, int64_t head,
                                Rounding rounding) const {
  const int64_t e = shape_.head_dim, g = head / (shape_.heads / shape_.kv_heads);
  const int64_t first = shape_.window > 0 ? std::max<int64_t>(0, token - shape_.window + 1) : 0;
  const float* q = q_.data() + (row(sequence, token) * shape_.heads + head) * e;
  const bool rounds = rounding == Rounding::bf16, whole = rounding == Rounding::int16;
  double most_query = 0;
  for (int64_t i = 0; i < e; ++i) most_query = std::max(most_query, std::abs(double{q[i]}));
  double score_error = 0, most_value = 0;
  for (int64_t t = first; t <= token; ++t) {
    const int64_t at = (row(sequence, t) * shape_.kv_heads + g) * e;
    const double unit = static_cast<double>(e + 8) * kUnit + (rounds ? kBf16Unit : 0);
    double error = 0;
    for (int64_t i = 0; i < e; ++i) {
      const double q_error = std::abs(double{q[i]}) * unit + (whole ? 0x1p-16 * most_query : 0);
      error += q_error * most_k_[at + i] * scale_;
      most_value = std::max(most_value, double{most_v_[at + i]});
    }
    score_error = std::max(score_error, error);
  }
  // The bias is as large as the position that it grows with.
  if (!slopes_.empty()) score_error += 4 * kUnit * slopes_[head] * static_cast<double>(token + 1);
  score_error += 8 * kUnit * shape_.softcap;
  const double terms = static_cast<double>(token - first + 1);
  const double rounded = rounds ? 2 * kBf16Unit : whole ? std::min(terms, 256.0) * 0x1p-16 : 0;
  return most_value * (std::expm1(2 * score_error) + (2 * terms + 32) * kUnit + rounded);
}

Padded AttentionCase::bound(const std::vector<Chunk>& chunks, Rounding rounding) const {
  int64_t rows = 0;
  for (const Chunk& c : chunks) rows += c.queries;
  Padded bound(rows, shape_.heads * shape_.head_dim);
  int64_t n = 0;
  for (const Chunk& c : chunks) {
    for (int64_t token = c.tokens - c.queries; token < c.tokens; ++token, ++n) {
      for (int64_t h = 0; h < shape_.heads; ++h)
        std::fill_n(bound.heads(shape_.heads).at(n, h), shape_.head_dim,
                    static_cast<float>(row_bound(c.sequence, token, h, rounding)));
    }
  }
  return bound;
}

}  // namespace octavo::conformance
