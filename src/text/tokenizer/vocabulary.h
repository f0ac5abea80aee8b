#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "octavo/tokenizer.h"
#include "text/tokenizer/hash.h"

namespace octavo::tokenizer {

constexpr TokenId kNoToken = -1;

// Strings with ids, both ways. Ids may have gaps; a gap has the empty string.
class Vocabulary {
 public:
  // Makes room for `count` strings of `bytes` in all.
  void reserve(size_t count, size_t bytes);
  // A string that is there already moves to the new id. REQUIRES: 0 <= id; the id is free.
  void add(std::string_view text, TokenId id);
  bool has(TokenId id) const {
    return id >= 0 && static_cast<size_t>(id) < entries_.size() &&
           entries_[static_cast<size_t>(id)].used;
  }

  TokenId find(std::string_view text) const;  // kNoToken: not there
  std::string_view text(TokenId id) const;    // empty: not there
  size_t count() const { return count_; }
  // The largest id and one.
  int64_t end_id() const { return static_cast<int64_t>(entries_.size()); }
  size_t longest_bytes() const { return longest_bytes_; }

 private:
  struct Entry {
    uint32_t begin = 0, bytes : 31 = 0, used : 1 = 0;
  };
  struct Slot {
    uint32_t tag = 0;  // high half of the hash
    TokenId id = kNoToken;
  };

  void rehash(size_t slots);
  size_t slot_of(std::string_view text, uint64_t hash) const;

  Hash hash_;
  std::string arena_;
  std::vector<Entry> entries_;
  std::vector<Slot> slots_;
  size_t count_ = 0, longest_bytes_ = 0;
};

}  // namespace octavo::tokenizer
