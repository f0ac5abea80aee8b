#include <algorithm>
#include <array>

#include "base/utf8.h"
#include "text/template/arguments.h"
#include "text/template/characters.h"
#include "text/template/methods.h"
#include "text/template/operators.h"
#include "text/template/python_format.h"
#include "text/template/runtime.h"
#include "text/template/text_search.h"

namespace octavo::jinja {
namespace {

const std::string& bytes_of(const Value& self) { return self.text()->bytes; }

Value pieces(Runtime& runtime, const Value& self, const std::vector<std::string_view>& parts) {
  std::vector<Value> items;
  items.reserve(parts.size());
  for (const std::string_view part : parts) {
    items.push_back(runtime.text_like(self, std::string(part)));
  }
  return runtime.list(std::move(items));
}

template <StripEnds kEnds>
Value strip_method(Runtime& runtime, const Value& self, const Args& args) {
  const Parameters p(args, "strip", {"chars"});
  const std::string characters = p.none(0) ? "" : p.text(0);
  runtime.budget.spend_bytes(bytes_of(self).size() * (1 + characters.size()));
  const auto out = strip(bytes_of(self), p.none(0) ? nullptr : &characters, kEnds);
  return runtime.text_like(self, std::string(out));
}

template <bool kRight>
Value split_method(Runtime& runtime, const Value& self, const Args& args) {
  const Parameters p(args, "split", {"sep", "maxsplit"});
  const int64_t limit = std::max<int64_t>(p.integer(1, -1), -1);
  runtime.budget.spend_bytes(bytes_of(self).size() * 2);
  if (p.none(0)) {
    return pieces(
        runtime, self,
        kRight ? split_space_right(bytes_of(self), limit) : split_space(bytes_of(self), limit));
  }
  const std::string separator = p.text(0);
  if (separator.empty()) fail("empty separator");
  return pieces(runtime, self,
                kRight ? split_at_right(bytes_of(self), separator, limit)
                       : split_at(bytes_of(self), separator, limit));
}

Value splitlines(Runtime& runtime, const Value& self, const Args& args) {
  const Parameters p(args, "splitlines", {"keepends"});
  runtime.budget.spend_bytes(bytes_of(self).size());
  return pieces(runtime, self, split_lines(bytes_of(self), p.flag(0)));
}

template <bool kRight>
Value partition(Runtime& runtime, const Value& self, const Args& args) {
  const Parameters p(args, "partition", {"sep"}, 1);
  const std::string separator = p.text(0);
  if (separator.empty()) fail("empty separator");
  const std::string& text = bytes_of(self);
  runtime.budget.spend_bytes(text.size());
  const size_t at = kRight ? text.rfind(separator) : text.find(separator);
  std::array<std::string, 3> parts;
  if (at == std::string::npos) {
    parts[kRight ? 2 : 0] = text;
  } else {
    parts = {text.substr(0, at), separator, text.substr(at + separator.size())};
  }
  std::vector<Value> items;
  for (std::string& part : parts) items.push_back(runtime.text_like(self, std::move(part)));
  return runtime.tuple(std::move(items));
}

Value replace_method(Runtime& runtime, const Value& self, const Args& args) {
  const Parameters p(args, "replace", {"old", "new", "count"}, 2);
  std::string old = p.text(0), by = p.text(1);
  if (self.text()->markup) {
    if (!p[0].text()->markup) old = escape_markup(old);
    if (!p[1].text()->markup) by = escape_markup(by);
  }
  const int64_t limit = std::max<int64_t>(p.integer(2, -1), -1);
  runtime.budget.spend_bytes(bytes_of(self).size());
  runtime.budget.take_text(replaced_bytes(bytes_of(self), old, by, limit));
  return runtime.text_like(self, replace_all(bytes_of(self), old, by, limit));
}

// The part of a text that start and end arguments select, and where it begins.
struct Window {
  std::string_view text;
  int64_t start = 0;
  bool valid = true;
};

Window window(Runtime& runtime, const Value& self, const Parameters& p) {
  const std::string_view text = bytes_of(self);
  if (p.none(1) && p.none(2)) return {text};
  const int64_t size = runtime.length(self);
  const auto clamp = [&](size_t i, int64_t fallback) {
    int64_t at = p.none(i) ? fallback : to_integer(p[i], "slice index");
    if (at < 0) at = std::max<int64_t>(at < -size ? 0 : at + size, 0);
    return at;
  };
  const int64_t start = clamp(1, 0);
  const int64_t end = std::min(clamp(2, size), size);
  if (start > size || start > end) return {"", start, false};
  const size_t from = character_offset(text, start);
  return {text.substr(from, character_offset(text.substr(from), end - start)), start};
}

bool matches(std::string_view text, const Value& part, bool prefix) {
  const Text* t = part.text();
  if (!t) fail("startswith first arg must be str or a tuple of str");
  return prefix ? text.starts_with(t->bytes) : text.ends_with(t->bytes);
}

template <bool kPrefix>
Value starts_or_ends(Runtime& runtime, const Value& self, const Args& args) {
  const Parameters p(args, kPrefix ? "startswith" : "endswith", {"prefix", "start", "end"}, 1);
  const Window w = window(runtime, self, p);
  const Sequence* several = p[0].sequence();
  if (!several || several->kind == Sequence::Kind::list) {
    if (p[0].is_undefined()) fail_undefined(p[0]);
    return matches(w.text, p[0], kPrefix) && w.valid;
  }
  return w.valid && std::any_of(several->items.begin(), several->items.end(),
                                [&](const Value& part) { return matches(w.text, part, kPrefix); });
}

enum class Find { first, last };
template <Find kFind, bool kFails>
Value find_method(Runtime& runtime, const Value& self, const Args& args) {
  const Parameters p(args, "find", {"sub", "start", "end"}, 1);
  const std::string part = p.text(0);
  const Window w = window(runtime, self, p);
  runtime.budget.spend_bytes(bytes_of(self).size());
  const size_t at = kFind == Find::first ? w.text.find(part) : w.text.rfind(part);
  if (at == std::string_view::npos || !w.valid) {
    if (kFails) fail("substring not found");
    return int64_t{-1};
  }
  return w.start + character_count(w.text.substr(0, at));
}

Value count_method(Runtime& runtime, const Value& self, const Args& args) {
  const Parameters p(args, "count", {"sub", "start", "end"}, 1);
  const std::string part = p.text(0);
  const Window w = window(runtime, self, p);
  runtime.budget.spend_bytes(bytes_of(self).size());
  if (!w.valid) return int64_t{0};
  if (part.empty()) return character_count(w.text) + 1;
  return static_cast<int64_t>(split_at(w.text, part, -1).size()) - 1;
}

Value join_method(Runtime& runtime, const Value& self, const Args& args) {
  const Parameters p(args, "join", {"iterable"}, 1);
  if (p[0].is_undefined()) fail_undefined(p[0]);
  std::string out;
  bool first = true;
  for (const SequenceRef all = runtime.iterate(p[0]); const Value& item : all->items) {
    if (!item.is_text()) {
      fail("sequence item: expected str instance, " + std::string(type_name(item)) + " found");
    }
    const Text& part = *item.text();
    if (!std::exchange(first, false)) out += bytes_of(self);
    out += self.text()->markup && !part.markup ? escape_markup(part.bytes) : part.bytes;
    runtime.budget.take_text(out.size() / 1024);
    if (static_cast<int64_t>(out.size()) > runtime.budget.limits().max_output_bytes) {
      fail("the template made a text longer than the limit allows");
    }
  }
  return runtime.text_like(self, std::move(out));
}

template <std::string (*kMap)(std::string_view)>
Value map_method(Runtime& runtime, const Value& self, const Args& args) {
  const Parameters p(args, "method", {});
  runtime.budget.spend_bytes(bytes_of(self).size() * 4);
  return runtime.text_like(self, kMap(bytes_of(self)));
}

// True for texts of at least one character that all satisfy kHolds.
template <bool (*kHolds)(char32_t)>
Value all_method(Runtime& runtime, const Value& self, const Args& args) {
  const Parameters p(args, "method", {});
  const std::string& text = bytes_of(self);
  runtime.budget.spend_bytes(text.size() * 4);
  for (size_t at = 0; at < text.size();) {
    const utf8::Decoded d = utf8::decode(text, at);
    if (!kHolds(d.code_point)) return false;
    at += static_cast<size_t>(d.bytes);
  }
  return !text.empty();
}

bool is_ascii(char32_t c) { return c < 0x80; }

// isupper, islower: at least one such letter and none of the other case.
template <bool (*kWanted)(char32_t), bool (*kOther)(char32_t)>
Value case_method(Runtime& runtime, const Value& self, const Args& args) {
  const Parameters p(args, "method", {});
  const std::string& text = bytes_of(self);
  runtime.budget.spend_bytes(text.size() * 4);
  bool found = false;
  for (size_t at = 0; at < text.size();) {
    const utf8::Decoded d = utf8::decode(text, at);
    if (kOther(d.code_point)) return false;
    found = found || kWanted(d.code_point);
    at += static_cast<size_t>(d.bytes);
  }
  return found;
}

Value isascii(Runtime&, const Value& self, const Args&) {
  const std::string& text = bytes_of(self);
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return is_ascii(static_cast<unsigned char>(c)); });
}

Value isidentifier(Runtime&, const Value& self, const Args&) {
  const std::string& text = bytes_of(self);
  for (size_t at = 0; at < text.size();) {
    const utf8::Decoded d = utf8::decode(text, at);
    if (!is_word(d.code_point) || (at == 0 && is_decimal(d.code_point))) return false;
    at += static_cast<size_t>(d.bytes);
  }
  return !text.empty();
}

Value istitle(Runtime&, const Value& self, const Args&) {
  const std::string& text = bytes_of(self);
  return upper(text) != lower(text) && title(text) == text;
}

template <char kAlign>
Value justify(Runtime& runtime, const Value& self, const Args& args) {
  const Parameters p(args, "justify", {"width", "fillchar"}, 1);
  const int64_t width = p.integer(0, 0);
  const std::string fill = p.text(1, " ");
  if (character_count(fill) != 1) fail("The fill character must be exactly one character long");
  const int64_t pad = std::max<int64_t>(std::max<int64_t>(width, 0) - runtime.length(self), 0);
  if (pad > runtime.budget.limits().max_output_bytes) {
    fail("the template made a text longer than the limit allows");
  }
  runtime.budget.take_text(static_cast<size_t>(pad) * fill.size());
  // Python's str.center puts the odd one to the left when the width is odd.
  const int64_t left = kAlign == '>' ? pad : kAlign == '<' ? 0 : pad / 2 + (pad & width & 1);
  std::string out;
  for (int64_t i = 0; i < left; ++i) out += fill;
  out += bytes_of(self);
  for (int64_t i = left; i < pad; ++i) out += fill;
  return runtime.text_like(self, std::move(out));
}

Value zfill(Runtime& runtime, const Value& self, const Args& args) {
  const Parameters p(args, "zfill", {"width"}, 1);
  const int64_t pad =
      std::max<int64_t>(std::max<int64_t>(p.integer(0, 0), 0) - runtime.length(self), 0);
  if (pad > runtime.budget.limits().max_output_bytes) {
    fail("the template made a text longer than the limit allows");
  }
  runtime.budget.take_text(static_cast<size_t>(pad));
  std::string out = bytes_of(self);
  const bool sign = out.starts_with('-') || out.starts_with('+');
  out.insert(sign ? 1 : 0, static_cast<size_t>(pad), '0');
  return runtime.text_like(self, std::move(out));
}

template <bool kPrefix>
Value remove_affix(Runtime& runtime, const Value& self, const Args& args) {
  const Parameters p(args, kPrefix ? "removeprefix" : "removesuffix", {"affix"}, 1);
  std::string_view text = bytes_of(self);
  const std::string affix = p.text(0);
  if (kPrefix && text.starts_with(affix)) text.remove_prefix(affix.size());
  if (!kPrefix && text.ends_with(affix)) text.remove_suffix(affix.size());
  return runtime.text_like(self, std::string(text));
}

Value expandtabs(Runtime& runtime, const Value& self, const Args& args) {
  const Parameters p(args, "expandtabs", {"tabsize"});
  const int64_t size = std::clamp<int64_t>(p.integer(0, 8), 0, 1024);
  std::string out;
  int64_t column = 0;
  for (const char c : bytes_of(self)) {
    if (c != '\t') {
      out += c;
      column =
          c == '\n' || c == '\r' ? 0 : column + ((static_cast<unsigned char>(c) & 0xC0) != 0x80);
      continue;
    }
    const int64_t pad = size == 0 ? 0 : size - column % size;
    runtime.budget.take_text(static_cast<size_t>(pad));
    out.append(static_cast<size_t>(pad), ' ');
    column += pad;
  }
  return runtime.text_like(self, std::move(out));
}

Value format_method(Runtime& runtime, const Value& self, const Args& args) {
  return format_braces(runtime, self, args);
}

constexpr StripEnds kBoth{}, kLeft{true, false}, kRight{false, true};

struct Entry {
  std::string_view name;
  Method method;
};
constexpr Entry kMethods[] = {
    {"strip", strip_method<kBoth>},
    {"lstrip", strip_method<kLeft>},
    {"rstrip", strip_method<kRight>},
    {"split", split_method<false>},
    {"rsplit", split_method<true>},
    {"splitlines", splitlines},
    {"partition", partition<false>},
    {"rpartition", partition<true>},
    {"replace", replace_method},
    {"startswith", starts_or_ends<true>},
    {"endswith", starts_or_ends<false>},
    {"find", find_method<Find::first, false>},
    {"rfind", find_method<Find::last, false>},
    {"index", find_method<Find::first, true>},
    {"rindex", find_method<Find::last, true>},
    {"count", count_method},
    {"join", join_method},
    {"upper", map_method<upper>},
    {"lower", map_method<lower>},
    {"casefold", map_method<casefold>},
    {"title", map_method<title>},
    {"capitalize", map_method<capitalize>},
    {"swapcase", map_method<swapcase>},
    {"isalpha", all_method<is_alpha>},
    {"isalnum", all_method<is_alnum>},
    {"isdigit", all_method<is_digit>},
    {"isdecimal", all_method<is_decimal>},
    {"isnumeric", all_method<is_numeric>},
    {"isspace", all_method<is_space>},
    {"isprintable", all_method<is_printable>},
    {"isupper", case_method<is_upper, is_lower>},
    {"islower", case_method<is_lower, is_upper>},
    {"isascii", isascii},
    {"isidentifier", isidentifier},
    {"istitle", istitle},
    {"ljust", justify<'<'>},
    {"rjust", justify<'>'>},
    {"center", justify<'^'>},
    {"zfill", zfill},
    {"removeprefix", remove_affix<true>},
    {"removesuffix", remove_affix<false>},
    {"expandtabs", expandtabs},
    {"format", format_method},
};

}  // namespace

Method find_text_method(std::string_view name) {
  const auto* it = std::find_if(std::begin(kMethods), std::end(kMethods),
                                [&](const Entry& e) { return e.name == name; });
  return it == std::end(kMethods) ? nullptr : it->method;
}

}  // namespace octavo::jinja
