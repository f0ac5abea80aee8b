#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "text/tokenizer/hash.h"

namespace octavo::tokenizer {

// Byte strings with a value each. Edges lie in one hash table, so a node costs nothing and a walk
// one look-up a byte; the first byte is a plain table, which rejects most places of a text.
class Trie {
 public:
  Trie() { roots_.fill(kNone); }

  // The last value of a string wins. REQUIRES: not empty; value >= 0.
  void add(std::string_view text, int32_t value) {
    int32_t& root = roots_[static_cast<unsigned char>(text[0])];
    if (root == kNone) root = new_node();
    int32_t node = root;
    for (const char c : text.substr(1)) {
      if ((edges_ + 1) * 2 > slots_.size()) grow();
      Slot& slot = slots_[slot_of(node, c)];
      if (slot.child == kNone) {
        slot = {key(node, c), new_node()};
        ++edges_;
      }
      node = slot.child;
    }
    values_[static_cast<size_t>(node)] = value;
  }

  size_t nodes() const { return values_.size(); }
  bool starts(char c) const { return roots_[static_cast<unsigned char>(c)] != kNone; }

  // Calls `found(length, value)` for every string that `text` begins with, shortest first.
  template <typename Found>
  void each_prefix(std::string_view text, const Found& found) const {
    int32_t node = text.empty() ? kNone : roots_[static_cast<unsigned char>(text[0])];
    for (size_t at = 1; node != kNone; ++at) {
      const int32_t value = values_[static_cast<size_t>(node)];
      if (value != kNone) found(at, value);
      if (at >= text.size() || slots_.empty()) return;
      node = slots_[slot_of(node, text[at])].child;
    }
  }

 private:
  static constexpr int32_t kNone = -1;
  struct Slot {
    uint64_t key = 0;
    int32_t child = kNone;
  };

  static uint64_t key(int32_t node, char c) {
    return uint64_t{static_cast<uint32_t>(node)} << 8 | static_cast<unsigned char>(c);
  }
  int32_t new_node() {
    values_.push_back(kNone);
    return static_cast<int32_t>(values_.size() - 1);
  }
  size_t slot_of(int32_t node, char c) const {
    const uint64_t wanted = key(node, c);
    const size_t mask = slots_.size() - 1;
    size_t at = hash_(wanted) & mask;
    while (slots_[at].child != kNone && slots_[at].key != wanted) at = (at + 1) & mask;
    return at;
  }
  void grow() {
    std::vector<Slot> old(slots_.empty() ? 64 : slots_.size() * 2);
    old.swap(slots_);
    const size_t mask = slots_.size() - 1;
    for (const Slot& slot : old) {
      if (slot.child == kNone) continue;
      size_t at = hash_(slot.key) & mask;
      while (slots_[at].child != kNone) at = (at + 1) & mask;
      slots_[at] = slot;
    }
  }

  Hash hash_;
  std::array<int32_t, 256> roots_;
  std::vector<int32_t> values_;  // by node
  std::vector<Slot> slots_;
  size_t edges_ = 0;
};

}  // namespace octavo::tokenizer
