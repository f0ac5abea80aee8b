#include "text/template/format_spec.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "base/utf8.h"
#include "text/template/characters.h"
#include "text/template/operators.h"
#include "text/template/python_format.h"
#include "text/template/python_repr.h"
#include "text/template/runtime.h"

namespace octavo::jinja {
namespace {

constexpr int64_t kMaxPrecision = 400;  // of floats: beyond, all digits are zeros or noise
constexpr int64_t kMaxWidth = 1 << 20;

bool is_align(char c) { return c == '<' || c == '>' || c == '^' || c == '='; }

int64_t parse_count(std::string_view text, size_t& at) {
  int64_t value = 0;
  while (at < text.size() && text[at] >= '0' && text[at] <= '9') {
    value = value * 10 + (text[at++] - '0');
    if (value > kMaxWidth) fail("a format's width or precision is too large");
  }
  return value;
}

std::string repeat(std::string_view what, int64_t count) {
  std::string out;
  for (int64_t i = 0; i < count; ++i) out += what;
  return out;
}

// Thousands separators in the integer part of `digits`.
std::string grouped(const std::string& digits, char separator) {
  const size_t whole = std::min(digits.find_first_not_of("0123456789"), digits.size());
  std::string out;
  for (size_t i = 0; i < whole; ++i) {
    if (i > 0 && (whole - i) % 3 == 0) out += separator;
    out += digits[i];
  }
  return out + digits.substr(whole);
}

std::string format_number(Runtime& runtime, const Value& value, const FormatSpec& spec) {
  int64_t integer = 0;
  const bool as_integer =
      value.integer(integer) &&
      std::string_view("\0bcdoxXn", 8).find(spec.type) != std::string_view::npos;
  if (as_integer) {
    if (spec.precision >= 0) fail("Precision not allowed in integer format specifier");
    if (spec.type == 'c') {
      std::string text;
      utf8::append(text, integer >= 0 && integer <= 0x10FFFF ? static_cast<char32_t>(integer)
                                                             : utf8::kReplacement);
      return lay_out_text(runtime, text, spec);
    }
    const auto magnitude =
        integer < 0 ? 0 - static_cast<uint64_t>(integer) : static_cast<uint64_t>(integer);
    return lay_out_number(runtime, integer_digits(magnitude, spec.type, spec.alternate),
                          integer < 0, spec);
  }
  double number = value.number();
  const bool negative = std::signbit(number);
  number = std::fabs(number);
  if (spec.type == '\0' && spec.precision < 0) {
    return lay_out_number(runtime, float_repr(number), negative, spec);
  }
  if (spec.precision > kMaxPrecision) fail("a format's precision is too large");
  const int precision = spec.precision < 0 ? 6 : static_cast<int>(spec.precision);
  std::string digits;
  if (spec.type == '%') {
    digits = format_float(number * 100, 'f', precision, spec.alternate) + "%";
  } else if (spec.type == '\0' || spec.type == 'n' ||
             std::string_view("eEfFgG").find(spec.type) != std::string_view::npos) {
    const char type = spec.type == '\0' || spec.type == 'n' ? 'g' : spec.type;
    digits = format_float(number, type, precision, spec.alternate);
  } else {
    fail(std::string("Unknown format code '") + spec.type + "' for object of type 'float'");
  }
  return lay_out_number(runtime, std::move(digits), negative, spec);
}

}  // namespace

FormatSpec parse_format_spec(std::string_view text) {
  FormatSpec spec;
  size_t at = 0;
  const size_t fill = text.empty() ? 0 : character_bytes(text, 0);
  if (fill < text.size() && fill > 0 && is_align(text[fill])) {
    spec.fill = std::string(text.substr(0, fill));
    spec.align = text[fill];
    at = fill + 1;
  } else if (!text.empty() && is_align(text[0])) {
    spec.align = text[at++];
  }
  const auto accept = [&](std::string_view any) {
    const bool found = at < text.size() && any.find(text[at]) != std::string_view::npos;
    return found ? text[at++] : '\0';
  };
  if (const char sign = accept("+- ")) spec.sign = sign;
  if (accept("#")) spec.alternate = true;
  if (accept("0") && spec.align == '\0') {
    spec.fill = "0";
    spec.align = '=';
  }
  spec.width = parse_count(text, at);
  spec.grouping = accept(",_");
  if (accept(".")) {
    const size_t before = at;
    spec.precision = parse_count(text, at);
    if (at == before) fail("Format specifier missing precision");
  }
  if (at < text.size()) spec.type = text[at++];
  if (at < text.size()) fail("Invalid format specifier");
  return spec;
}

std::string integer_digits(uint64_t magnitude, char type, bool alternate) {
  const unsigned base = type == 'x' || type == 'X' ? 16 : type == 'o' ? 8 : type == 'b' ? 2 : 10;
  const char* const kDigits = type == 'X' ? "0123456789ABCDEF" : "0123456789abcdef";
  std::string out;
  do {
    out += kDigits[magnitude % base];
    magnitude /= base;
  } while (magnitude > 0);
  if (alternate && base != 10) {
    out += type;
    out += '0';
  }
  std::reverse(out.begin(), out.end());
  return out;
}

std::string lay_out_number(Runtime& runtime, std::string digits, bool negative,
                           const FormatSpec& spec) {
  if (spec.grouping != '\0') digits = grouped(digits, spec.grouping);
  const std::string sign = negative ? "-" : spec.sign == '-' ? "" : std::string(1, spec.sign);
  const int64_t pad = spec.width - static_cast<int64_t>(digits.size() + sign.size());
  runtime.budget.take_text(digits.size() + static_cast<size_t>(std::max<int64_t>(pad, 0)));
  if (pad <= 0) return sign + digits;
  switch (spec.align) {
    case '<':
      return sign + digits + repeat(spec.fill, pad);
    case '^':
      return repeat(spec.fill, pad / 2) + sign + digits + repeat(spec.fill, pad - pad / 2);
    case '=':
      return sign + repeat(spec.fill, pad) + digits;
    default:
      return repeat(spec.fill, pad) + sign + digits;
  }
}

std::string lay_out_text(Runtime& runtime, std::string text, const FormatSpec& spec) {
  if (spec.align == '=') fail("'=' alignment not allowed in string format specifier");
  if (spec.precision >= 0) text.resize(character_offset(text, spec.precision));
  const int64_t pad = spec.width - character_count(text);
  runtime.budget.take_text(text.size() + static_cast<size_t>(std::max<int64_t>(pad, 0)));
  if (pad <= 0) return text;
  if (spec.align == '>') return repeat(spec.fill, pad) + text;
  if (spec.align == '^')
    return repeat(spec.fill, pad / 2) + text + repeat(spec.fill, pad - pad / 2);
  return text + repeat(spec.fill, pad);
}

std::string apply_format(Runtime& runtime, const Value& value, const FormatSpec& spec) {
  const bool plain_bool = value.is<bool>() && spec.type == '\0' && spec.width == 0;
  if (value.is_number() && !plain_bool) return format_number(runtime, value, spec);
  const bool given = spec.type != '\0' || spec.width > 0 || spec.precision >= 0;
  if (!value.is_text() && !plain_bool && given) {
    fail("unsupported format string passed to " + std::string(type_name(value)) + ".__format__");
  }
  if (spec.type != '\0' && spec.type != 's') {
    fail(std::string("Unknown format code '") + spec.type + "' for object of type 'str'");
  }
  return lay_out_text(runtime, runtime.str(value), spec);
}

}  // namespace octavo::jinja
