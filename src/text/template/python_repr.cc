#include "text/template/python_repr.h"

#include <charconv>
#include <cmath>
#include <cstdio>

#include "base/utf8.h"
#include "text/template/characters.h"
#include "text/template/object.h"
#include "text/template/runtime.h"

namespace octavo::jinja {
namespace {

constexpr int kFixedFrom = -4, kFixedTo = 16;  // exponents that Python prints without e

void append_repr(Runtime& runtime, std::string& out, const Value& value);

void append_sequence(Runtime& runtime, std::string& out, const Sequence& sequence) {
  const bool list = sequence.kind == Sequence::Kind::list;
  out += list ? '[' : '(';
  for (size_t i = 0; i < sequence.items.size(); ++i) {
    if (i > 0) out += ", ";
    append_repr(runtime, out, sequence.items[i]);
  }
  if (!list && sequence.items.size() == 1) out += ',';
  out += list ? ']' : ')';
}

void append_dict(Runtime& runtime, std::string& out, const Dict& dict) {
  out += '{';
  for (size_t i = 0; i < dict.entries.size(); ++i) {
    if (i > 0) out += ", ";
    append_repr(runtime, out, dict.entries[i].first);
    out += ": ";
    append_repr(runtime, out, dict.entries[i].second);
  }
  out += '}';
}

std::string scalar(const Value& value) {
  if (const auto* b = value.get<bool>()) return *b ? "True" : "False";
  if (const auto* i = value.get<int64_t>()) return std::to_string(*i);
  if (const auto* d = value.get<double>()) return float_repr(*d);
  return value.is_none() ? "None" : "Undefined";
}

void append_repr(Runtime& runtime, std::string& out, const Value& value) {
  const Budget::Level level(runtime.budget);
  runtime.budget.spend(Budget::kNode);
  const size_t before = out.size();
  if (const Text* text = value.text()) {
    const std::string quoted = text_repr(text->bytes);
    out += text->markup ? "Markup(" + quoted + ")" : quoted;
  } else if (const Sequence* sequence = value.sequence()) {
    append_sequence(runtime, out, *sequence);
  } else if (const Dict* dict = value.dict()) {
    append_dict(runtime, out, *dict);
  } else if (const Object* object = value.object()) {
    out += object->repr(runtime);
  } else {
    out += scalar(value);
  }
  // Containers paid for their parts already; this bounds the whole.
  if (value.depth() == 0) runtime.budget.spend_bytes(out.size() - before);
  if (static_cast<int64_t>(out.size()) > runtime.budget.limits().max_output_bytes) {
    fail("the template made a text longer than the limit allows");
  }
}

}  // namespace

std::string float_repr(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  char buffer[32] = {};  // the zero ends the exponent for atoi
  const auto end =
      std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::scientific);
  const std::string_view text(buffer, static_cast<size_t>(end.ptr - buffer));
  const bool negative = text.front() == '-';
  const size_t e = text.find('e');
  const int exponent = std::atoi(text.data() + e + 1);
  std::string digits;
  for (const char c : text.substr(0, e)) {
    if (c >= '0' && c <= '9') digits += c;
  }
  std::string out = negative ? "-" : "";
  if (exponent >= kFixedFrom && exponent < kFixedTo) {
    if (exponent < 0)
      return out + "0." + std::string(static_cast<size_t>(-exponent - 1), '0') + digits;
    const auto whole = static_cast<size_t>(exponent) + 1;
    if (digits.size() < whole) digits.append(whole - digits.size(), '0');
    return out + digits.substr(0, whole) + "." +
           (digits.size() > whole ? digits.substr(whole) : "0");
  }
  out += digits.substr(0, 1);
  if (digits.size() > 1) out += "." + digits.substr(1);
  const std::string size = std::to_string(std::abs(exponent));
  return out + "e" + (exponent < 0 ? "-" : "+") + (size.size() < 2 ? "0" : "") + size;
}

std::string text_repr(std::string_view text) {
  const bool single = text.find('\'') == std::string_view::npos;
  const char quote = single || text.find('"') != std::string_view::npos ? '\'' : '"';
  std::string out(1, quote);
  for (size_t at = 0; at < text.size();) {
    const utf8::Decoded d = utf8::decode(text, at);
    const char32_t c = d.code_point;
    const std::string_view bytes = text.substr(at, static_cast<size_t>(d.bytes));
    at += bytes.size();
    char escaped[16];
    if (c == static_cast<char32_t>(quote) || c == '\\') {
      out += '\\';
      out += bytes;
    } else if (c == '\n' || c == '\r' || c == '\t') {
      out += c == '\n' ? "\\n" : c == '\r' ? "\\r" : "\\t";
    } else if (is_printable(c)) {
      out += bytes;
    } else {
      const char* format = c < 0x100 ? "\\x%02x" : c < 0x10000 ? "\\u%04x" : "\\U%08x";
      std::snprintf(escaped, sizeof escaped, format, static_cast<unsigned>(c));
      out += escaped;
    }
  }
  return out + quote;
}

std::string Runtime::repr(const Value& value) {
  std::string out;
  append_repr(*this, out, value);
  return out;
}

std::string Runtime::str(const Value& value) {
  if (const Text* text = value.text()) {
    budget.spend_bytes(text->bytes.size());
    return text->bytes;
  }
  if (value.is_undefined()) return "";
  return repr(value);
}

}  // namespace octavo::jinja
