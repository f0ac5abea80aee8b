#include "cpu/attention_cascade.h"

#include <algorithm>
#include <new>

#include "cpu/attention_plan.h"

namespace octavo::cpu {
namespace {

// Leading whole tiles of both sequences that lie in the same blocks.
int32_t common_tiles(const Attention& a, int32_t s, int32_t t) {
  const int64_t block_tokens = a.kv.shape.block_tokens;
  const int64_t tokens = std::min(a.kv_tokens[s], a.kv_tokens[t]) / kTileTokens * kTileTokens;
  const int64_t blocks = (tokens + block_tokens - 1) / block_tokens;
  const int32_t *mine = a.block_table.at(s), *theirs = a.block_table.at(t);
  const int64_t same = std::mismatch(mine, mine + blocks, theirs).first - mine;
  return static_cast<int32_t>(std::min(tokens, same * block_tokens) / kTileTokens);
}

}  // namespace

// Until all are found, a cascade's `members` is unset and `tiles` that of its first two.
Cascades::Cascades(Queue& queue, const Attention& a) {
  const auto sequences = static_cast<int64_t>(a.row_begin.size()) - 1;
  if (a.window > 0 || sequences < 2) return;
  const int64_t bytes =
      sequences * static_cast<int64_t>(sizeof(Link) + sizeof(Cascade) + 2 * sizeof(int32_t));
  std::byte* at = queue.worker_scratch(0, bytes);
  auto* const cascades = reinterpret_cast<Cascade*>(at);
  at += sequences * sizeof(Cascade);
  links_ = reinterpret_cast<Link*>(at);
  at += sequences * sizeof(Link);
  auto* const leaders = reinterpret_cast<int32_t*>(at);
  members_ = leaders + sequences;

  int64_t found = 0;
  for (int32_t s = 0; s < sequences; ++s) {
    new (links_ + s) Link{};
    if (a.row_begin[s + 1] - a.row_begin[s] != 1 || a.kv_tokens[s] < kTileTokens) continue;
    all_ = {cascades, static_cast<size_t>(found)};
    join(a, s, {leaders, static_cast<size_t>(found)}, found);
    if (links_[s].cascade >= 0) continue;
    leaders[found] = s;
    links_[s].cascade = static_cast<int32_t>(found);
    new (cascades + found++) Cascade{nullptr, 1, a.kv_tokens[s] / int32_t{kTileTokens}, 0};
  }
  // Those of one sequence are none.
  int64_t kept = 0;
  for (int64_t c = 0; c < found; ++c) {
    const bool alone = cascades[c].count == 1;
    if (alone) links_[leaders[c]].cascade = -1;
    leaders[c] = alone ? -1 : static_cast<int32_t>(kept);
    if (!alone) cascades[kept++] = cascades[c];
  }
  all_ = {cascades, static_cast<size_t>(kept)};
  for (Cascade& c : all_) {
    c.members = members_ + member_count_;
    member_count_ += c.count;
  }
  for (int32_t s = 0; s < sequences; ++s) {
    Link& link = links_[s];
    if (link.cascade < 0) continue;
    link.cascade = leaders[link.cascade];
    members_[all_[link.cascade].members - members_ + link.member] = s;
  }
}

void Cascades::join(const Attention& a, int32_t sequence, std::span<int32_t> leaders,
                    int64_t& found) {
  for (int64_t c = 0; c < found; ++c) {
    const int32_t common = common_tiles(a, leaders[c], sequence);
    if (common == 0) continue;
    links_[sequence] = {static_cast<int32_t>(c), static_cast<int32_t>(all_[c].count++)};
    all_[c].tiles = std::min(all_[c].tiles, common);
    return;
  }
}

void Cascades::move_members(int32_t* to) {
  std::copy_n(members_, member_count_, to);
  for (Cascade& c : all_) c.members = to + (c.members - members_);
  members_ = to;
}

}  // namespace octavo::cpu
