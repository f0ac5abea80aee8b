#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/utf8.h"

// Classes of characters as the tokenizers in use know them (see tools/unicode_table.py), which is
// not one version of Unicode.
namespace octavo::unicode {

enum CharClass : uint16_t {
  kUpper = 1,
  kLower = 2,
  kTitle = 4,
  kModifier = 8,
  kOtherLetter = 16,
  kMark = 32,
  kNumber = 64,  // \p{N} of regular expressions
  kPunctuation = 128,
  kSymbol = 256,
  kSpace = 512,
  kNumeric = 1024,       // of the Digits pre-tokenizer
  kIsolated = 2048,      // of the Punctuation and Bert pre-tokenizers
  kWord = 4096,          // \w of the Whitespace pre-tokenizer
  kAccent = 8192,        // dropped by StripAccents
  kNonSpacing = 16384,   // dropped by BertNormalizer with strip_accents
  kBertControl = 32768,  // dropped by BertNormalizer with clean_text
  kLetter = kUpper | kLower | kTitle | kModifier | kOtherLetter,
};

struct CharPair {
  char32_t first, second;
};

extern const uint16_t kBlockOfPage[0x1100];
extern const uint16_t kBlocks[];
extern const CharPair kLowercase[];  // sorted by the first
extern const size_t kLowercaseCount;
extern const CharPair kRecent[];  // ranges assigned after Unicode 14
extern const size_t kRecentCount;
extern const char32_t kInert[];  // sorted
extern const size_t kInertCount;

// REQUIRES: c <= 0x10FFFF.
inline uint16_t classes(char32_t c) { return kBlocks[kBlockOfPage[c >> 8] * 256 + (c & 255)]; }
inline bool is(char32_t c, uint32_t mask) { return (classes(c) & mask) != 0; }

// One to one; U+0130, which becomes two characters, is the caller's affair.
char32_t lowercase(char32_t c);
// Characters that normal forms leave alone here although newer versions of Unicode decompose or
// reorder them.
bool is_inert(char32_t c);

// Bytes of the character that starts with `lead`. REQUIRES: valid UTF-8.
inline size_t char_bytes(char lead) {
  const auto b = static_cast<unsigned char>(lead);
  return b < 0x80 ? 1 : b < 0xE0 ? 2 : b < 0xF0 ? 3 : 4;
}

// A character of valid UTF-8 and the bytes it takes. REQUIRES: at < text.size(), at a boundary.
struct Char {
  char32_t code;
  size_t bytes;
};
inline Char char_at(std::string_view text, size_t at) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[at + i]); };
  const uint32_t lead = byte(0);
  if (lead < 0x80) return {lead, 1};
  if (lead < 0xE0) return {((lead & 31u) << 6) | (byte(1) & 63u), 2};
  if (lead < 0xF0) return {((lead & 15u) << 12) | ((byte(1) & 63u) << 6) | (byte(2) & 63u), 3};
  return {((lead & 7u) << 18) | ((byte(1) & 63u) << 12) | ((byte(2) & 63u) << 6) | (byte(3) & 63u),
          4};
}

// The character that ends before `end`. REQUIRES: 0 < end <= text.size(), at a boundary.
inline Char char_before(std::string_view text, size_t end) {
  size_t at = end - 1;
  while (at > 0 && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80) --at;
  return char_at(text, at);
}

}  // namespace octavo::unicode
