#pragma once

#include <cstdint>
#include <vector>

#include "octavo/tokenizer.h"
#include "text/tokenizer/hash.h"

namespace octavo::tokenizer {

// What two neighbours become, and when: the lowest rank goes first.
struct Merge {
  static constexpr uint32_t kNever = UINT32_MAX;
  uint32_t rank = kNever;
  TokenId merged = -1;
};

// Pair of ids -> Merge; open addressing.
class MergeTable {
 public:
  void reserve(size_t count);
  // A pair that is there already gets the new merge. REQUIRES: reserve() made room for it; ids >=
  // 0.
  void set(TokenId left, TokenId right, Merge merge) {
    Slot& slot = slots_[slot_of(left, right)];
    slot = {left, right, merge};
  }
  Merge find(TokenId left, TokenId right) const {
    return slots_.empty() ? Merge{} : slots_[slot_of(left, right)].merge;
  }

 private:
  struct Slot {
    TokenId left = -1, right = -1;
    Merge merge;
  };

  size_t slot_of(TokenId left, TokenId right) const {
    const uint64_t key = uint64_t{static_cast<uint32_t>(left)} << 32 | static_cast<uint32_t>(right);
    const size_t mask = slots_.size() - 1;
    size_t at = hash_(key) & mask;
    while (slots_[at].left >= 0 && (slots_[at].left != left || slots_[at].right != right)) {
      at = (at + 1) & mask;
    }
    return at;
  }

  Hash hash_;
  std::vector<Slot> slots_;
};

}  // namespace octavo::tokenizer
