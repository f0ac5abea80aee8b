#pragma once

#include <cstdint>
#include <span>

#include "ops/ops.h"

// How the work of an attention call is cut into items for the workers. Keys are taken in tiles of
// kTileTokens at fixed positions of the sequence; each tile of a row yields (maximum, sum, output)
// on its own and these are folded in ascending order, whoever computed them. So neither the cut nor
// the company in which a row meets a tile changes a bit of its result.
//
// Sequences that decode over the same leading blocks (a shared prompt) form a cascade: their
// queries are stacked as rows of one item, which reads the shared tiles once for all of them.
namespace octavo::cpu {

inline constexpr int64_t kTileTokens = 256;

// Query rows that read the same keys: rows of one sequence, or the single rows of several, × all
// query heads of one kv head.
struct AttentionRows {
  int32_t sequence, kv_head;
  int32_t first_query, queries;      // of the sequence's rows in the batch
  int32_t tile_begin, tile_end;      // tiles that any of the rows sees
  const int32_t* members = nullptr;  // cascade: the sequences [queries], one row each; `sequence`
                                     // is the first of them
};

// Tiles [tile_begin, tile_end) of some rows, for one worker.
struct AttentionItem {
  AttentionRows rows;
  float* partials;  // one of partial_floats() a tile of rows; null: fold and write the output
};

// The rows of a cascade item among which those of a fold are.
struct AttentionShared {
  float* partials = nullptr;  // of tiles [0, tiles)
  int32_t tiles = 0, queries = 0, first = 0;
};

struct AttentionFold {
  AttentionRows rows;  // its tiles without the shared ones
  float* partials;
  AttentionShared shared;
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

// Where query `i` of an item is: its row of the batch and its token of its sequence.
struct QueryPlace {
  int64_t row, token;
};
inline QueryPlace query_place(const Attention& a, const AttentionRows& r, int64_t i) {
  if (r.members != nullptr) {
    const int32_t s = r.members[i];
    return {a.row_begin[s], a.kv_tokens[s] - 1};
  }
  const int64_t query = r.first_query + i;
  return {a.row_begin[r.sequence] + query, query_token(a, r.sequence, query)};
}

// The plan lies in the queue's scratch, as do the partials.
AttentionPlan plan_attention(Queue& queue, const Attention& a);

}  // namespace octavo::cpu
