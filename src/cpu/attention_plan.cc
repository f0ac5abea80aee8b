#include "cpu/attention_plan.h"

#include <algorithm>
#include <new>

namespace octavo::cpu {
namespace {

// Rows of an item: enough to pay for loading a tile of keys, few enough for scores and outputs to
// stay in L2 with it.
constexpr int64_t kItemRows = 64;
// Work is cut until no item is longer than 1/kItemsPerWorker of a worker's share.
constexpr int64_t kItemsPerWorker = 4;
// Loading a tile costs about as much as computing this many rows of it.
constexpr int64_t kLoadRows = 8;

int64_t cost(const AttentionRows& r, int64_t group) {
  return (r.tile_end - r.tile_begin) * (r.queries * group + kLoadRows);
}

// Calls f for each set of rows, the long ones of a sequence (its last queries) first.
template <class F>
void for_each_rows(const Attention& a, F f) {
  const int64_t chunk = std::max<int64_t>(1, kItemRows / group_size(a));
  for (size_t s = 0; s + 1 < a.row_begin.size(); ++s) {
    const auto sequence = static_cast<int32_t>(s);
    const int64_t queries = a.row_begin[s + 1] - a.row_begin[s];
    for (int64_t end = queries; end > 0; end -= std::min(end, chunk)) {
      const int64_t begin = std::max<int64_t>(0, end - chunk);
      const int64_t first = first_seen(a, query_token(a, sequence, begin));
      const int64_t last = query_token(a, sequence, end - 1);
      for (int32_t head = 0; head < a.kv.shape.kv_heads; ++head) {
        f(AttentionRows{.sequence = sequence,
                        .kv_head = head,
                        .first_query = static_cast<int32_t>(begin),
                        .queries = static_cast<int32_t>(end - begin),
                        .tile_begin = static_cast<int32_t>(first / kTileTokens),
                        .tile_end = static_cast<int32_t>(last / kTileTokens + 1)});
      }
    }
  }
}

struct Cut {
  int64_t max_cost = 0;
  int64_t group = 1;

  // Tiles of an item of these rows.
  int64_t span(const AttentionRows& r) const {
    const int64_t tiles = r.tile_end - r.tile_begin;
    if (cost(r, group) <= max_cost) return tiles;
    return std::clamp<int64_t>(max_cost / (r.queries * group + kLoadRows), 1, tiles);
  }
};

int64_t padded(int64_t bytes) { return (bytes + 63) / 64 * 64; }

}  // namespace

AttentionPlan plan_attention(Queue& queue, const Attention& a) {
  const int64_t group = group_size(a), head_dim = a.kv.shape.head_dim;
  const int workers = queue.pool().threads();
  int64_t total = 0;
  for_each_rows(a, [&](const AttentionRows& r) { total += cost(r, group); });
  // One worker gains nothing from a cut.
  const Cut cut{.max_cost = workers == 1 ? total : total / (kItemsPerWorker * workers),
                .group = group};

  int64_t items = 0, folds = 0, floats = 0;
  for_each_rows(a, [&](const AttentionRows& r) {
    const int64_t tiles = r.tile_end - r.tile_begin, span = cut.span(r);
    items += (tiles + span - 1) / span;
    if (span == tiles) return;
    ++folds;
    floats += tiles * partial_floats(r.queries * group, head_dim);
  });

  const int64_t item_bytes = padded(items * static_cast<int64_t>(sizeof(AttentionItem)));
  const int64_t fold_bytes = padded(folds * static_cast<int64_t>(sizeof(AttentionFold)));
  std::byte* scratch =
      queue.scratch(item_bytes + fold_bytes + floats * static_cast<int64_t>(sizeof(float)));
  auto* item = reinterpret_cast<AttentionItem*>(scratch);
  auto* fold = reinterpret_cast<AttentionFold*>(scratch + item_bytes);
  auto* partials = reinterpret_cast<float*>(scratch + item_bytes + fold_bytes);
  const AttentionPlan plan{{item, static_cast<size_t>(items)}, {fold, static_cast<size_t>(folds)}};
  for_each_rows(a, [&](const AttentionRows& r) {
    const int64_t tiles = r.tile_end - r.tile_begin, span = cut.span(r);
    const int64_t tile_floats = partial_floats(r.queries * group, head_dim);
    const bool whole = span == tiles;
    for (int64_t t = 0; t < tiles; t += span) {
      AttentionRows part = r;
      part.tile_begin = static_cast<int32_t>(r.tile_begin + t);
      part.tile_end = static_cast<int32_t>(r.tile_begin + std::min(t + span, tiles));
      new (item++) AttentionItem{part, whole ? nullptr : partials + t * tile_floats};
    }
    if (whole) return;
    new (fold++) AttentionFold{r, partials};
    partials += tiles * tile_floats;
  });
  return plan;
}

}  // namespace octavo::cpu
