#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <optional>

#include "base/utf8.h"
#include "text/template/arguments.h"
#include "text/template/characters.h"
#include "text/template/filters.h"
#include "text/template/json_writer.h"
#include "text/template/methods.h"
#include "text/template/object.h"
#include "text/template/operators.h"
#include "text/template/python_format.h"
#include "text/template/runtime.h"
#include "text/template/text_search.h"

namespace octavo::jinja {
namespace {

// Jinja's soft_str: texts stay as they are, everything else becomes str().
Value soft_text(Runtime& runtime, const Value& self) {
  return self.text() ? self : runtime.text(runtime.str(self));
}

template <std::string (*kMap)(std::string_view)>
Value map_text(Runtime& runtime, const Value& self, const Args& args) {
  const Parameters p(args, "filter", {});
  const Value text = soft_text(runtime, self);
  runtime.budget.spend_bytes(text.text()->bytes.size() * 4);
  return runtime.text_like(text, kMap(text.text()->bytes));
}

Value string(Runtime& runtime, const Value& self, const Args&) { return soft_text(runtime, self); }

Value trim(Runtime& runtime, const Value& self, const Args& args) {
  const Parameters p(args, "trim", {"chars"});
  Args inner;
  if (!p.none(0)) inner.positional.push_back(p[0]);
  return call_method(runtime, soft_text(runtime, self), "strip", inner);
}

Value replace(Runtime& runtime, const Value& self, const Args& args) {
  const Parameters p(args, "replace", {"old", "new", "count"}, 2);
  const std::string text = runtime.str(self), old = runtime.str(p[0]), by = runtime.str(p[1]);
  const int64_t limit = p.none(2) ? -1 : std::max<int64_t>(p.integer(2, -1), -1);
  runtime.budget.spend_bytes(text.size());
  runtime.budget.take_text(replaced_bytes(text, old, by, limit));
  return runtime.text(replace_all(text, old, by, limit));
}

// Like str.title, but words begin after white space, hyphens and opening brackets only.
Value title_words(Runtime& runtime, const Value& self, const Args&) {
  const Value source = soft_text(runtime, self);
  const std::string& text = source.text()->bytes;
  runtime.budget.spend_bytes(text.size() * 8);
  std::string out;
  bool start = true;
  for (size_t at = 0; at < text.size();) {
    const utf8::Decoded d = utf8::decode(text, at);
    const std::string_view c = std::string_view(text).substr(at, static_cast<size_t>(d.bytes));
    at += c.size();
    const bool separator =
        is_space(d.code_point) ||
        (d.code_point < 0x80 &&
         std::string_view("-({[<").find(static_cast<char>(d.code_point)) != std::string_view::npos);
    out += start && !separator ? upper(c) : lower(c);
    start = separator;
  }
  return runtime.text_like(source, std::move(out));
}

Value indent(Runtime& runtime, const Value& self, const Args& args) {
  const Parameters p(args, "indent", {"width", "first", "blank"});
  if (!self.text()) fail("can only indent str, not " + std::string(type_name(self)));
  const bool given_text = p.given(0) && p[0].text();
  const int64_t width = given_text ? 0 : p.integer(0, 4);
  if (width > runtime.budget.limits().max_output_bytes) fail("the indentation is too wide");
  const std::string margin =
      given_text ? p.text(0) : std::string(static_cast<size_t>(std::max<int64_t>(width, 0)), ' ');
  const std::string text = self.text()->bytes + "\n";
  const auto lines = split_lines(text, false);
  runtime.budget.take_text(text.size() + lines.size() * margin.size());
  std::string out = p.flag(1) ? margin : "";
  for (size_t i = 0; i < lines.size(); ++i) {
    if (i > 0) out += "\n";
    if (i > 0 && (p.flag(2) || !lines[i].empty())) out += margin;
    out += lines[i];
  }
  return runtime.text_like(self, std::move(out));
}

Value safe(Runtime& runtime, const Value& self, const Args&) {
  return runtime.text(runtime.str(self), true);
}
Value escape(Runtime& runtime, const Value& self, const Args&) {
  if (self.text() && self.text()->markup) return self;
  return runtime.text(escape_markup(runtime.str(self)), true);
}
Value force_escape(Runtime& runtime, const Value& self, const Args&) {
  return runtime.text(escape_markup(runtime.str(self)), true);
}

Value center(Runtime& runtime, const Value& self, const Args& args) {
  const Parameters p(args, "center", {"width"});
  return call_method(runtime, soft_text(runtime, self), "center", {{Value(p.integer(0, 80))}, {}});
}

Value format(Runtime& runtime, const Value& self, const Args& args) {
  if (!args.positional.empty() && !args.named.empty()) {
    fail("can't handle positional and keyword arguments at the same time");
  }
  if (args.named.empty()) {
    return format_percent(runtime, soft_text(runtime, self), runtime.tuple(args.positional));
  }
  Dict named;
  for (const auto& [name, value] : args.named) named.set(runtime, runtime.text(name), value);
  return format_percent(runtime, soft_text(runtime, self), runtime.dict(std::move(named)));
}

Value truncate(Runtime& runtime, const Value& self, const Args& args) {
  const Parameters p(args, "truncate", {"length", "killwords", "end", "leeway"});
  const int64_t length = p.integer(0, 255);
  const std::string end = p.text(2, "...");
  const int64_t leeway = p.none(3) ? 5 : p.integer(3, 5);
  if (length < character_count(end) || leeway < 0) fail("truncate: the length is too small");
  if (!self.text()) fail("truncate needs a str");
  const std::string& text = self.text()->bytes;
  if (runtime.length(self) - leeway <= length) return self;
  std::string head = text.substr(0, character_offset(text, length - character_count(end)));
  if (!p.flag(1)) {
    const size_t space = head.rfind(' ');
    if (space != std::string::npos) head.resize(space);
  }
  return runtime.text_like(self, head + end);
}

Value wordcount(Runtime& runtime, const Value& self, const Args&) {
  const std::string text = runtime.str(self);
  runtime.budget.spend_bytes(text.size() * 4);
  int64_t words = 0;
  bool inside = false;
  for (size_t at = 0; at < text.size();) {
    const utf8::Decoded d = utf8::decode(text, at);
    const bool word = is_word(d.code_point);
    words += word && !inside;
    inside = word;
    at += static_cast<size_t>(d.bytes);
  }
  return words;
}

Value urlencode(Runtime& runtime, const Value& self, const Args&) {
  const auto quote = [&](const std::string& text, bool slash) {
    std::string out;
    constexpr std::string_view kPlain = "_.-~";
    for (const char c : text) {
      const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                         (c >= '0' && c <= '9') || kPlain.find(c) != std::string_view::npos ||
                         (slash && c == '/');
      if (plain) {
        out += c;
      } else if (!slash && c == ' ') {
        out += '+';
      } else {
        constexpr char kHex[] = "0123456789ABCDEF";
        const auto byte = static_cast<unsigned char>(c);
        out += '%';
        out += kHex[byte >> 4];
        out += kHex[byte & 15];
      }
    }
    return out;
  };
  const bool pairs_given =
      self.sequence() || self.dict() || (self.object() && self.object()->iterable());
  if (!pairs_given) return runtime.text(quote(runtime.str(self), true));
  Args none;
  const Value pairs = self.dict() ? call_method(runtime, self, "items", none) : self;
  std::string out;
  for (const SequenceRef all = runtime.iterate(pairs); const Value& pair : all->items) {
    const SequenceRef two = runtime.iterate(pair);
    if (two->items.size() != 2) fail("urlencode needs pairs");
    if (!out.empty()) out += '&';
    out +=
        quote(runtime.str(two->items[0]), false) + "=" + quote(runtime.str(two->items[1]), false);
    runtime.budget.take_text(out.size() / 64);
  }
  return runtime.text(std::move(out));
}

JsonStyle json_style(const Parameters& p) {
  JsonStyle style{.indent = std::nullopt,
                  .item_separator = ", ",
                  .key_separator = ": ",
                  .ensure_ascii = p.flag(0),
                  .sort_keys = p.flag(3)};
  if (!p.none(1)) {
    int64_t width = 0;
    if (p[1].integer(width)) {
      style.indent = std::string(static_cast<size_t>(std::clamp<int64_t>(width, 0, 1024)), ' ');
    } else {
      style.indent = p.text(1);
    }
    style.item_separator = ",";
  }
  if (!p.none(2)) {
    const Sequence* two = p[2].sequence();
    if (!two || two->items.size() != 2 || !two->items[0].text() || !two->items[1].text()) {
      fail("separators must be two texts");
    }
    style.item_separator = two->items[0].text()->bytes;
    style.key_separator = two->items[1].text()->bytes;
  }
  return style;
}

Value tojson(Runtime& runtime, const Value& self, const Args& args) {
  const Parameters p(args, "tojson", {"ensure_ascii", "indent", "separators", "sort_keys"});
  return runtime.text(write_json(runtime, self, json_style(p)));
}

// The number that Python's int(text, base) reads; empty where it raises ValueError.
std::optional<int64_t> read_integer(std::string_view text, int64_t base) {
  text = strip(text, nullptr);
  std::string digits;
  bool negative = false;
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) {
    negative = text[0] == '-';
    text.remove_prefix(1);
  }
  const char mark = text.size() > 2 && text[0] == '0' ? static_cast<char>(text[1] | 0x20) : '\0';
  const int64_t marked = mark == 'x' ? 16 : mark == 'o' ? 8 : mark == 'b' ? 2 : 0;
  if (marked != 0 && (base == marked || base == 0)) {
    text.remove_prefix(2);
    base = marked;
  }
  if (base == 0) base = 10;
  if (base < 2 || base > 36) return std::nullopt;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '_' && i > 0 && i + 1 < text.size() && text[i - 1] != '_') continue;
    digits += text[i];
  }
  if (negative) digits.insert(0, 1, '-');
  int64_t value = 0;
  const char* end = digits.data() + digits.size();
  const auto [at, error] = std::from_chars(digits.data(), end, value, static_cast<int>(base));
  if (error == std::errc::result_out_of_range) fail("an integer does not fit 64 bits");
  return error == std::errc() && at == end ? std::optional<int64_t>(value) : std::nullopt;
}

std::optional<double> read_float(std::string_view text) {
  text = strip(text, nullptr);
  const std::string copy(text);
  if (copy.empty() || copy.find_first_of("xXpP(") != std::string::npos) return std::nullopt;
  char* end = nullptr;
  const double value = std::strtod(copy.c_str(), &end);
  return *end == '\0' && end == copy.c_str() + copy.size() ? std::optional<double>(value)
                                                           : std::nullopt;
}

std::optional<int64_t> truncated(double value) {
  if (!(std::fabs(value) < 9.2e18)) return std::nullopt;
  return static_cast<int64_t>(value);
}

Value to_int(Runtime&, const Value& self, const Args& args) {
  const Parameters p(args, "int", {"default", "base"});
  const Value fallback = p.given(0) ? p[0] : Value(int64_t{0});
  if (self.is_undefined()) fail_undefined(self);
  int64_t integer = 0;
  if (self.integer(integer)) return integer;
  std::optional<int64_t> result;
  if (self.is_number()) {
    result = truncated(self.number());
  } else if (const Text* text = self.text()) {
    result = read_integer(text->bytes, p.integer(1, 10));
    const auto number = result ? std::nullopt : read_float(text->bytes);
    if (number) result = truncated(*number);
  }
  return result ? Value(*result) : fallback;
}

Value to_float(Runtime&, const Value& self, const Args& args) {
  const Parameters p(args, "float", {"default"});
  if (self.is_undefined()) fail_undefined(self);
  if (self.is_number()) return self.number();
  const auto value = self.text() ? read_float(self.text()->bytes) : std::nullopt;
  return value ? Value(*value) : p.given(0) ? p[0] : Value(0.0);
}

Value absolute(Runtime&, const Value& self, const Args&) {
  if (self.is_number()) return signed_value(self, self.number() < 0);
  if (self.is_undefined()) fail_undefined(self);
  fail("bad operand type for abs(): '" + std::string(type_name(self)) + "'");
}

Value round(Runtime&, const Value& self, const Args& args) {
  const Parameters p(args, "round", {"precision", "method"});
  const int64_t precision = std::clamp<int64_t>(p.integer(0, 0), -300, 300);
  const std::string method = p.text(1, "common");
  if (self.is_undefined()) fail_undefined(self);
  if (!self.is_number()) fail("round needs a number, not " + std::string(type_name(self)));
  const double scale = std::pow(10.0, static_cast<double>(precision));
  if (method == "ceil") return std::ceil(self.number() * scale) / scale;
  if (method == "floor") return std::floor(self.number() * scale) / scale;
  if (method != "common") fail("method must be common, ceil or floor");
  int64_t integer = 0;
  if (self.integer(integer) && precision >= 0) return integer;
  // Through decimal digits, as Python does, so that halves are those of the exact binary value.
  if (precision >= 0) {
    return std::strtod(format_float(self.number(), 'f', static_cast<int>(precision), false).c_str(),
                       nullptr);
  }
  const double rounded = std::nearbyint(self.number() * scale) / scale;
  return self.is<double>() ? Value(rounded) : Value(static_cast<int64_t>(rounded));
}

// Filters of Jinja that chat templates have no use for: known, so that a template which names one
// compiles, and refused when reached.
Value not_offered(Runtime&, const Value&, const Args&) {
  fail("this filter is not available to chat templates");
}

constexpr FilterEntry kFilters[] = {
    {"upper", map_text<upper>},
    {"lower", map_text<lower>},
    {"capitalize", map_text<capitalize>},
    {"title", title_words},
    {"string", string},
    {"trim", trim},
    {"replace", replace},
    {"indent", indent},
    {"safe", safe},
    {"escape", escape},
    {"e", escape},
    {"forceescape", force_escape},
    {"center", center},
    {"format", format},
    {"truncate", truncate},
    {"wordcount", wordcount},
    {"urlencode", urlencode},
    {"tojson", tojson},
    {"int", to_int},
    {"float", to_float},
    {"abs", absolute},
    {"round", round},
    {"filesizeformat", not_offered},
    {"pprint", not_offered},
    {"random", not_offered},
    {"striptags", not_offered},
    {"urlize", not_offered},
    {"wordwrap", not_offered},
    {"xmlattr", not_offered},
};

}  // namespace

Filter find_text_filter(std::string_view name) {
  const auto* it = std::find_if(std::begin(kFilters), std::end(kFilters),
                                [&](const FilterEntry& e) { return e.name == name; });
  return it == std::end(kFilters) ? nullptr : it->filter;
}

}  // namespace octavo::jinja
