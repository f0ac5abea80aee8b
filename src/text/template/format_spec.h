#pragma once

#include <string>
#include <string_view>

#include "text/template/value.h"

namespace octavo::jinja {

// How one value is laid out: the part after the colon of "{:>8.3f}", or of "%-8.3f".
struct FormatSpec {
  std::string fill = " ";
  char align = '\0';  // < > ^ =, or none given
  char sign = '-';    // + - space
  bool alternate = false;
  char grouping = '\0';  // , or _
  int64_t width = 0;
  int64_t precision = -1;  // absent
  char type = '\0';
};

FormatSpec parse_format_spec(std::string_view text);
// Python's format(value, spec) for texts, numbers, and what has no format of its own.
std::string apply_format(Runtime& runtime, const Value& value, const FormatSpec& spec);
// `digits` of a number, with its sign, padded to the width.
std::string lay_out_number(Runtime& runtime, std::string digits, bool negative,
                           const FormatSpec& spec);
std::string lay_out_text(Runtime& runtime, std::string text, const FormatSpec& spec);
// Digits of a magnitude in base 2, 8, 10 or 16; type x, X, o, b, d.
std::string integer_digits(uint64_t magnitude, char type, bool alternate);

}  // namespace octavo::jinja
