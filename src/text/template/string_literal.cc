#include "text/template/string_literal.h"

#include <optional>

#include "base/utf8.h"
#include "text/template/lexer.h"

namespace octavo::jinja {
namespace {

int digit_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return 99;
}

// Exactly `digits` hexadecimal digits at `at`.
char32_t hexadecimal(std::string_view text, size_t at, size_t digits, int line) {
  char32_t value = 0;
  for (size_t i = 0; i < digits; ++i) {
    const int digit = at + i < text.size() ? digit_value(text[at + i]) : 99;
    if (digit > 15) fail_at(line, "a string ends within an escape");
    value = value * 16 + static_cast<char32_t>(digit);
  }
  if (value > 0x10FFFF) fail_at(line, "a string holds an escape beyond Unicode");
  return value >= 0xD800 && value < 0xE000 ? utf8::kReplacement : value;
}

std::optional<char> simple_escape(char c) {
  switch (c) {
    case '\\':
    case '\'':
    case '"':
      return c;
    case 'a':
      return '\a';
    case 'b':
      return '\b';
    case 'f':
      return '\f';
    case 'n':
      return '\n';
    case 'r':
      return '\r';
    case 't':
      return '\t';
    case 'v':
      return '\v';
    default:
      return std::nullopt;
  }
}

}  // namespace

std::string unescape(std::string_view inside, int line) {
  std::string out;
  out.reserve(inside.size());
  for (size_t at = 0; at < inside.size();) {
    if (inside[at] != '\\' || at + 1 >= inside.size()) {
      out += inside[at++];
      continue;
    }
    const char c = inside[at + 1];
    at += 2;
    if (const auto simple = simple_escape(c)) {
      out += *simple;
    } else if (c == '\n') {
      continue;
    } else if (c == 'x' || c == 'u' || c == 'U') {
      const size_t digits = c == 'x' ? 2 : c == 'u' ? 4 : 8;
      utf8::append(out, hexadecimal(inside, at, digits, line));
      at += digits;
    } else if (c == 'N') {
      fail_at(line, "named characters in strings are not supported");
    } else if (c >= '0' && c <= '7') {
      char32_t value = static_cast<char32_t>(c - '0');
      for (int i = 0; i < 2 && at < inside.size() && digit_value(inside[at]) < 8; ++i) {
        value = value * 8 + static_cast<char32_t>(digit_value(inside[at++]));
      }
      utf8::append(out, value);
    } else {
      out += '\\';
      out += c;
    }
  }
  return out;
}

}  // namespace octavo::jinja
