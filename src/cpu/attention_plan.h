#pragma once

#include <cstdint>
#include <span>

#include "ops/ops.h"

// How the work of an attention call is cut into items for the workers. Keys are taken in tiles of
// kTileTokens at fixed positions of the sequence; each tile of a row yields (maximum, sum, output)
// on its own and these are folded in ascending order, whoever computed them. So the cut changes no
// bit of a result.
namespace octavo::cpu {

inline constexpr int64_t kBlockTokens = 32;
inline constexpr int64_t kTileTokens = 256;

// Query rows of one sequence × all query heads of one kv head: they read the same keys.
struct AttentionRows {
  int32_t sequence, kv_head;
  int32_t first_query, queries;  // of the sequence's rows in the batch
  int32_t tile_begin, tile_end;  // tiles that any of the rows sees
};

// Tiles [tile_begin, tile_end) of some rows, for one worker.
struct AttentionItem {
  AttentionRows rows;
  float* partials;  // one of partial_floats() a tile of rows; null: fold and write the output
};

struct AttentionFold {
  AttentionRows rows;
  float* partials;
};

struct AttentionPlan {
  std::span<AttentionItem> items;
  std::span<AttentionFold> folds;  // of the rows that several items share
};

// Maxima [rows], sums [rows] and outputs [rows, head_dim] of one tile.
inline int64_t partial_floats(int64_t rows, int64_t head_dim) { return rows * (head_dim + 2); }

// Query heads that read one kv head.
inline int64_t group_size(const Attention& a) { return a.q.extent[1] / a.kv.shape.kv_heads; }
// Position of query `i` of sequence s in its sequence.
inline int64_t query_token(const Attention& a, int64_t s, int64_t i) {
  return a.kv_tokens[s] - (a.row_begin[s + 1] - a.row_begin[s]) + i;
}
inline int64_t first_seen(const Attention& a, int64_t token) {
  return a.window > 0 && token >= a.window ? token - a.window + 1 : 0;
}

// The plan lies in the queue's scratch, as do the partials.
AttentionPlan plan_attention(Queue& queue, const Attention& a);

}  // namespace octavo::cpu
