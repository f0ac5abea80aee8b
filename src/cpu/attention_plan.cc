#include "cpu/attention_plan.h"

#include <algorithm>
#include <new>

#include "cpu/attention_cascade.h"

namespace octavo::cpu {
namespace {

// Rows of an item: enough to pay for loading a tile of keys, few enough for scores and outputs to
// stay in L2 with it.
constexpr int64_t kItemRows = 64;
// Work is cut until no item is longer than 1/kItemsPerWorker of a worker's share.
constexpr int64_t kItemsPerWorker = 4;
// Loading a tile costs about as much as computing this many rows of it.
constexpr int64_t kLoadRows = 8;

int64_t padded(int64_t bytes) { return (bytes + 63) / 64 * 64; }

class Planner {
 public:
  Planner(Queue& queue, const Attention& a)
      : a_(a),
        group_(group_size(a)),
        heads_(a.kv.shape.kv_heads),
        chunk_(std::max<int64_t>(1, kItemRows / group_)),
        workers_(queue.pool().threads()),
        cascades_(queue, a) {}

  AttentionPlan plan(Queue& queue);

 private:
  int64_t cost(const AttentionRows& r) const {
    return (r.tile_end - r.tile_begin) * (r.queries * group_ + kLoadRows);
  }
  // Floats of the partials of `tiles` tiles.
  int64_t floats(int64_t queries, int64_t tiles) const {
    return tiles * partial_floats(queries * group_, a_.kv.shape.head_dim);
  }
  // Tiles of an item of these rows.
  int64_t span(const AttentionRows& r) const {
    const int64_t tiles = r.tile_end - r.tile_begin;
    // One worker gains nothing from a cut.
    if (workers_ == 1 || cost(r) <= max_cost_) return tiles;
    return std::clamp<int64_t>(max_cost_ / (r.queries * group_ + kLoadRows), 1, tiles);
  }
  template <class F>
  void for_each_shared(F f) const;
  template <class F>
  void for_each_own(F f) const;
  void add_items(const AttentionRows& r, float* partials);
  AttentionShared shared_of(int64_t sequence, int64_t head) const;

  const Attention& a_;
  int64_t group_, heads_, chunk_, workers_;
  Cascades cascades_;
  int64_t max_cost_ = 0;
  AttentionItem* item_ = nullptr;  // the next to write
  float* partials_ = nullptr;      // of the cascades
};

// Calls f for the rows of each item over shared tiles.
template <class F>
void Planner::for_each_shared(F f) const {
  for (const Cascade& c : cascades_.all()) {
    for (int64_t begin = 0; begin < c.count; begin += chunk_) {
      for (int32_t head = 0; head < heads_; ++head) {
        f(c, begin,
          AttentionRows{.sequence = c.members[begin],
                        .kv_head = head,
                        .first_query = 0,
                        .queries = static_cast<int32_t>(std::min(chunk_, c.count - begin)),
                        .tile_begin = 0,
                        .tile_end = c.tiles,
                        .members = c.members + begin});
      }
    }
  }
}

// Calls f for each set of rows of a sequence, the long ones (its last queries) first.
template <class F>
void Planner::for_each_own(F f) const {
  for (size_t s = 0; s + 1 < a_.row_begin.size(); ++s) {
    const auto sequence = static_cast<int32_t>(s);
    const int64_t queries = a_.row_begin[s + 1] - a_.row_begin[s];
    for (int64_t end = queries; end > 0; end -= std::min(end, chunk_)) {
      const int64_t begin = std::max<int64_t>(0, end - chunk_);
      const int64_t first = first_seen(a_, query_token(a_, sequence, begin));
      const int64_t last = query_token(a_, sequence, end - 1);
      const auto tile_begin = static_cast<int32_t>(first / kTileTokens);
      for (int32_t head = 0; head < heads_; ++head) {
        f(AttentionRows{.sequence = sequence,
                        .kv_head = head,
                        .first_query = static_cast<int32_t>(begin),
                        .queries = static_cast<int32_t>(end - begin),
                        .tile_begin = std::max(tile_begin, cascades_.tiles(s)),
                        .tile_end = static_cast<int32_t>(last / kTileTokens + 1)});
      }
    }
  }
}

// The partials of a cascade lie [chunk of members][head][tile].
AttentionShared Planner::shared_of(int64_t sequence, int64_t head) const {
  const Cascade* const c = cascades_.of(sequence);
  if (c == nullptr) return {};
  const int64_t member = cascades_.member(sequence), first = member % chunk_;
  const int64_t begin = member - first, queries = std::min(chunk_, c->count - begin);
  return {.partials = partials_ + c->partials_at + heads_ * floats(begin, c->tiles) +
                      head * floats(queries, c->tiles),
          .tiles = c->tiles,
          .queries = static_cast<int32_t>(queries),
          .first = static_cast<int32_t>(first)};
}

// Null partials: one item that folds by itself.
void Planner::add_items(const AttentionRows& r, float* partials) {
  const int64_t tiles = r.tile_end - r.tile_begin, step = partials == nullptr ? tiles : span(r);
  for (int64_t t = 0; t < tiles; t += step) {
    AttentionRows part = r;
    part.tile_begin = static_cast<int32_t>(r.tile_begin + t);
    part.tile_end = static_cast<int32_t>(r.tile_begin + std::min(t + step, tiles));
    float* const at = partials == nullptr ? nullptr : partials + floats(r.queries, t);
    new (item_++) AttentionItem{part, at};
  }
}

AttentionPlan Planner::plan(Queue& queue) {
  int64_t total = 0;
  for_each_shared([&](const Cascade&, int64_t, const AttentionRows& r) { total += cost(r); });
  for_each_own([&](const AttentionRows& r) { total += cost(r); });
  max_cost_ = total / (kItemsPerWorker * workers_);

  int64_t items = 0, folds = 0, all_floats = 0;
  const auto count_items = [&](const AttentionRows& r) {
    const int64_t tiles = r.tile_end - r.tile_begin;
    if (tiles > 0) items += (tiles + span(r) - 1) / span(r);
  };
  for (Cascade& c : cascades_.all()) {
    c.partials_at = all_floats;
    all_floats += heads_ * floats(c.count, c.tiles);
  }
  for_each_shared([&](const Cascade&, int64_t, const AttentionRows& r) { count_items(r); });
  const auto whole = [&](const AttentionRows& r) {
    return span(r) == r.tile_end - r.tile_begin && cascades_.of(r.sequence) == nullptr;
  };
  for_each_own([&](const AttentionRows& r) {
    count_items(r);
    if (whole(r)) return;
    ++folds;
    all_floats += floats(r.queries, r.tile_end - r.tile_begin);
  });

  const int64_t item_bytes = padded(items * static_cast<int64_t>(sizeof(AttentionItem)));
  const int64_t fold_bytes = padded(folds * static_cast<int64_t>(sizeof(AttentionFold)));
  const int64_t member_bytes = padded(cascades_.members_bytes());
  std::byte* scratch = queue.scratch(item_bytes + fold_bytes + member_bytes +
                                     all_floats * static_cast<int64_t>(sizeof(float)));
  auto* const first_item = item_ = reinterpret_cast<AttentionItem*>(scratch);
  auto* fold = reinterpret_cast<AttentionFold*>(scratch + item_bytes);
  const AttentionPlan plan{{first_item, static_cast<size_t>(items)},
                           {fold, static_cast<size_t>(folds)}};
  cascades_.move_members(reinterpret_cast<int32_t*>(scratch + item_bytes + fold_bytes));
  partials_ = reinterpret_cast<float*>(scratch + item_bytes + fold_bytes + member_bytes);
  float* partials = partials_;
  for_each_shared([&](const Cascade& c, int64_t, const AttentionRows& r) {
    add_items(r, shared_of(r.sequence, r.kv_head).partials);
    partials = std::max(partials, partials_ + c.partials_at + heads_ * floats(c.count, c.tiles));
  });
  for_each_own([&](const AttentionRows& r) {
    if (whole(r)) return add_items(r, nullptr);
    add_items(r, partials);
    new (fold++) AttentionFold{r, partials, shared_of(r.sequence, r.kv_head)};
    partials += floats(r.queries, r.tile_end - r.tile_begin);
  });
  return plan;
}

}  // namespace

AttentionPlan plan_attention(Queue& queue, const Attention& a) {
  return Planner(queue, a).plan(queue);
}

}  // namespace octavo::cpu
