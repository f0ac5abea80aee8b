#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace octavo::utf8 {

constexpr char32_t kReplacement = 0xFFFD;

struct Decoded {
  char32_t code_point;
  int bytes;   // 1..4 consumed
  bool valid;  // false: code_point is U+FFFD for the longest invalid prefix (Unicode 3.9, "maximal
               // subpart")
};

// Decodes the character at `at`. REQUIRES: at < text.size().
Decoded decode(std::string_view text, size_t at);
void append(std::string& out, char32_t code_point);
bool is_valid(std::string_view text);
// Every invalid sequence replaced by U+FFFD.
std::string sanitize(std::string_view text);

// Each byte that is not part of a character becomes one U+FFFD, as bytes of a tokenizer's fallback
// do.
std::string replaced_bytes(std::string_view bytes);
// Bytes at the end of `text` that begin a character whose rest is missing (0..3).
size_t incomplete_tail(std::string_view text);

}  // namespace octavo::utf8
