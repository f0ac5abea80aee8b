#pragma once

#include <cstdint>
#include <span>

#include "ops/ops.h"

namespace octavo::cpu {

// Sequences of a batch with one row each whose tables begin with the same blocks, in whole tiles.
struct Cascade {
  const int32_t* members;  // [count] sequences, ascending
  int64_t count;
  int32_t tiles;
  int64_t partials_at;  // the plan's
};

// The cascades of a call: each sequence joins the first one before it that shares a tile with it.
// Found anew for each layer, for the price of comparing block numbers. None with a window, which
// may have let go of the first blocks.
class Cascades {
 public:
  Cascades(Queue& queue, const Attention& a);

  std::span<Cascade> all() const { return all_; }
  // Null: the sequence is in none.
  const Cascade* of(int64_t sequence) const {
    return links_ == nullptr || links_[sequence].cascade < 0 ? nullptr
                                                             : &all_[links_[sequence].cascade];
  }
  int64_t member(int64_t sequence) const { return links_[sequence].member; }
  // Leading tiles that the sequence's cascade reads for it.
  int32_t tiles(int64_t sequence) const {
    const Cascade* const c = of(sequence);
    return c == nullptr ? 0 : c->tiles;
  }

  int64_t members_bytes() const { return member_count_ * static_cast<int64_t>(sizeof(int32_t)); }
  // Writes the member lists to `to`: the object's own memory is worker 0's scratch.
  void move_members(int32_t* to);

 private:
  struct Link {
    int32_t cascade = -1, member = 0;
  };
  void join(const Attention& a, int32_t sequence, std::span<int32_t> leaders, int64_t& found);

  Link* links_ = nullptr;   // [sequences]
  std::span<Cascade> all_;  // in scratch, like the links
  int32_t* members_ = nullptr;
  int64_t member_count_ = 0;
};

}  // namespace octavo::cpu
