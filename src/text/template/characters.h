#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace octavo::jinja {

// Characters as Python's str sees them, over UTF-8 text. Bytes that are no UTF-8 count as one
// character each run, so that no text can confuse the walk.

// Bytes of the character that begins at `at`. REQUIRES: at < text.size().
size_t character_bytes(std::string_view text, size_t at);
int64_t character_count(std::string_view text);
// Byte offset of the character number `n` (from 0), text.size() when there are fewer.
size_t character_offset(std::string_view text, int64_t n);

// Python's str.isspace of one character, which is also \s of its regular expressions.
bool is_space(char32_t c);
// Length in bytes of the white space that begins at `at`, and of that which ends at `end`.
size_t space_after(std::string_view text, size_t at);
size_t space_before(std::string_view text, size_t end);

// Unicode properties, from the tables of unicode_data.cc.
bool is_alpha(char32_t c);
bool is_decimal(char32_t c);
// Decimals, and digits of other shapes: superscripts, circled ones.
bool is_digit(char32_t c);
bool is_numeric(char32_t c);
bool is_alnum(char32_t c);
bool is_upper(char32_t c);
bool is_lower(char32_t c);
bool is_printable(char32_t c);
// May begin or continue a name.
bool is_word(char32_t c);

std::string upper(std::string_view text);
std::string lower(std::string_view text);
// First character in title case, the rest in lower case.
std::string capitalize(std::string_view text);
// str.title(): every run of letters capitalized.
std::string title(std::string_view text);
std::string swapcase(std::string_view text);
// For comparisons without case: str.casefold().
std::string casefold(std::string_view text);

}  // namespace octavo::jinja
