#include "text/tokenizer/vocabulary.h"

#include <algorithm>
#include <bit>

#include "base/check.h"

namespace octavo::tokenizer {

void Vocabulary::reserve(size_t count, size_t bytes) {
  entries_.reserve(count);
  arena_.reserve(bytes);
  rehash(std::bit_ceil(std::max<size_t>(16, count * 2)));
}

void Vocabulary::add(std::string_view text, TokenId id) {
  OCTAVO_CHECK(id >= 0 && !has(id));
  if ((count_ + 1) * 2 > slots_.size()) rehash(std::max<size_t>(16, slots_.size() * 2));
  if (static_cast<size_t>(id) >= entries_.size()) entries_.resize(static_cast<size_t>(id) + 1);
  const uint64_t hash = hash_(text);
  Slot& slot = slots_[slot_of(text, hash)];
  if (slot.id == kNoToken) {
    ++count_;
  } else {
    entries_[static_cast<size_t>(slot.id)] = Entry{};
  }
  slot = {static_cast<uint32_t>(hash >> 32), id};
  Entry& entry = entries_[static_cast<size_t>(id)];
  entry.begin = static_cast<uint32_t>(arena_.size());
  entry.bytes = static_cast<uint32_t>(text.size()) & 0x7FFFFFFFu;
  entry.used = 1;
  arena_.append(text);
  longest_bytes_ = std::max(longest_bytes_, text.size());
}

TokenId Vocabulary::find(std::string_view text) const {
  if (text.size() > longest_bytes_ || slots_.empty()) return kNoToken;
  return slots_[slot_of(text, hash_(text))].id;
}

std::string_view Vocabulary::text(TokenId id) const {
  if (!has(id)) return {};
  const Entry& entry = entries_[static_cast<size_t>(id)];
  return std::string_view(arena_).substr(entry.begin, entry.bytes);
}

// The slot that holds `text`, or the empty one where it would go.
size_t Vocabulary::slot_of(std::string_view text, uint64_t hash) const {
  const size_t mask = slots_.size() - 1;
  const auto tag = static_cast<uint32_t>(hash >> 32);
  for (size_t at = hash & mask;; at = (at + 1) & mask) {
    const Slot& slot = slots_[at];
    if (slot.id == kNoToken) return at;
    if (slot.tag != tag) continue;
    const Entry& entry = entries_[static_cast<size_t>(slot.id)];
    if (std::string_view(arena_).substr(entry.begin, entry.bytes) == text) return at;
  }
}

void Vocabulary::rehash(size_t slots) {
  slots_.assign(slots, Slot{});
  const size_t mask = slots - 1;
  for (size_t id = 0; id < entries_.size(); ++id) {
    if (!entries_[id].used) continue;
    const uint64_t hash = hash_(text(static_cast<TokenId>(id)));
    size_t at = hash & mask;
    while (slots_[at].id != kNoToken) at = (at + 1) & mask;
    slots_[at] = {static_cast<uint32_t>(hash >> 32), static_cast<TokenId>(id)};
  }
}

}  // namespace octavo::tokenizer
