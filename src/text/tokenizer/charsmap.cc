#include "text/tokenizer/charsmap.h"

#include <utf8proc.h>

#include <cstring>

#include "text/tokenizer/base64.h"
#include "text/tokenizer/unicode.h"

namespace octavo::tokenizer {

namespace {

constexpr size_t kMaxCluster = 6;  // longer clusters are looked up character by character

// Fields of a unit of the double array.
bool has_leaf(uint32_t unit) { return (unit >> 8 & 1) != 0; }
uint32_t value_of(uint32_t unit) { return unit & 0x7FFFFFFF; }
uint32_t label_of(uint32_t unit) { return unit & (1u << 31 | 0xFF); }
uint32_t offset_of(uint32_t unit) { return (unit >> 10) << ((unit & (1u << 9)) >> 6); }

}  // namespace

Charsmap::Charsmap(const Field& place) {
  const auto bytes = decoded_base64(place.text());
  if (!bytes) place.fail("not base64");
  if (bytes->empty()) return;
  uint32_t size = 0;
  if (bytes->size() >= 4) std::memcpy(&size, bytes->data(), 4);
  if (bytes->size() < 4 || size > bytes->size() - 4 || size % 4 != 0) {
    place.fail("not a compiled character map");
  }
  trie_.resize(size / 4);
  if (size > 0) std::memcpy(trie_.data(), bytes->data() + 4, size);
  texts_ = bytes->substr(4 + size);
  if (!utf8::is_valid(texts_)) place.fail("character map holds invalid UTF-8");
}

// The replacement of the shortest mapped prefix of `chunk`: as the original does, it stands for the
// whole chunk.
std::optional<std::string_view> Charsmap::replacement(std::string_view chunk) const {
  if (trie_.empty()) return std::nullopt;
  size_t at = offset_of(trie_[0]);
  for (const char c : chunk) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte == 0) return std::nullopt;
    at ^= byte;
    if (at >= trie_.size() || label_of(trie_[at]) != byte) return std::nullopt;
    const uint32_t unit = trie_[at];
    at ^= offset_of(unit);
    if (!has_leaf(unit)) continue;
    if (at >= trie_.size()) return std::nullopt;
    const size_t begin = value_of(trie_[at]);
    if (begin > texts_.size()) return std::nullopt;
    const std::string_view rest = std::string_view(texts_).substr(begin);
    // A hostile map may point into the middle of a character.
    if (!rest.empty() && (static_cast<unsigned char>(rest[0]) & 0xC0) == 0x80) return std::nullopt;
    return rest.substr(0, rest.find('\0'));
  }
  return std::nullopt;
}

std::string Charsmap::apply(std::string_view text) const {
  std::string out;
  out.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    size_t end = at;
    utf8proc_int32_t state = 0;
    for (auto c = unicode::char_at(text, at);;) {  // one extended grapheme cluster
      end += c.bytes;
      if (end >= text.size()) break;
      const auto next = unicode::char_at(text, end);
      if (utf8proc_grapheme_break_stateful(static_cast<utf8proc_int32_t>(c.code),
                                           static_cast<utf8proc_int32_t>(next.code), &state)) {
        break;
      }
      c = next;
    }
    const std::string_view cluster = text.substr(at, end - at);
    at = end;
    if (cluster.size() < kMaxCluster) {
      if (const auto mapped = replacement(cluster)) {
        out += *mapped;
        continue;
      }
    }
    for (size_t i = 0; i < cluster.size();) {
      const std::string_view one = cluster.substr(i, unicode::char_bytes(cluster[i]));
      out += replacement(one).value_or(one);
      i += one.size();
    }
  }
  return out;
}

}  // namespace octavo::tokenizer
