#include "text/template/characters.h"

#include <algorithm>
#include <span>
#include <utility>

#include "base/utf8.h"
#include "text/template/unicode_data.h"

namespace octavo::jinja {
namespace {

bool in(std::span<const CodeRange> ranges, char32_t c) {
  const auto it = std::upper_bound(ranges.begin(), ranges.end(), c,
                                   [](char32_t v, const CodeRange& r) { return v < r.first; });
  return it != ranges.begin() && c <= std::prev(it)->last;
}

struct Case {
  std::span<const CaseRange> ranges;
  std::span<const CaseSpecial> specials;
};

const Case& upper_case() {
  static const Case kCase{to_upper_ranges(), to_upper_specials()};
  return kCase;
}
const Case& lower_case() {
  static const Case kCase{to_lower_ranges(), to_lower_specials()};
  return kCase;
}

void append_mapped(std::string& out, const Case& map, char32_t c) {
  const auto special =
      std::lower_bound(map.specials.begin(), map.specials.end(), c,
                       [](const CaseSpecial& s, char32_t v) { return s.from < v; });
  if (special != map.specials.end() && special->from == c) {
    for (const uint32_t to : special->to) {
      if (to != 0) utf8::append(out, to);
    }
    return;
  }
  auto it = std::upper_bound(map.ranges.begin(), map.ranges.end(), c,
                             [](char32_t v, const CaseRange& r) { return v < r.first; });
  // Ranges of stride 2 interleave with their neighbours, so look at two.
  for (int back = 0; back < 2 && it != map.ranges.begin(); ++back) {
    --it;
    if (c <= it->last && (c - it->first) % it->stride == 0) {
      utf8::append(out, static_cast<char32_t>(static_cast<int64_t>(c) + it->delta));
      return;
    }
  }
  utf8::append(out, c);
}

// Maps every character by the case that `pick` names for it.
template <typename Pick>
std::string map_case(std::string_view text, Pick pick) {
  std::string out;
  out.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    const utf8::Decoded d = utf8::decode(text, at);
    append_mapped(out, pick(d.code_point), d.code_point);
    at += static_cast<size_t>(d.bytes);
  }
  return out;
}

}  // namespace

size_t character_bytes(std::string_view text, size_t at) {
  return static_cast<size_t>(utf8::decode(text, at).bytes);
}

int64_t character_count(std::string_view text) {
  return std::count_if(text.begin(), text.end(),
                       [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; });
}

size_t character_offset(std::string_view text, int64_t n) {
  size_t at = 0;
  for (; at < text.size(); ++at) {
    if ((static_cast<unsigned char>(text[at]) & 0xC0) == 0x80) continue;
    if (n-- == 0) return at;
  }
  return at;
}

bool is_space(char32_t c) {
  return (c >= 9 && c <= 13) || (c >= 28 && c <= 32) || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F ||
         c == 0x3000;
}

size_t space_after(std::string_view text, size_t at) {
  const size_t start = at;
  while (at < text.size()) {
    const utf8::Decoded d = utf8::decode(text, at);
    if (!is_space(d.code_point)) break;
    at += static_cast<size_t>(d.bytes);
  }
  return at - start;
}

size_t space_before(std::string_view text, size_t end) {
  const size_t start = end;
  while (end > 0) {
    size_t at = end - 1;
    while (at > 0 && end - at < 4 && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80) --at;
    if (!is_space(utf8::decode(text, at).code_point)) break;
    end = at;
  }
  return start - end;
}

bool is_alpha(char32_t c) { return in(alpha_ranges(), c); }
bool is_decimal(char32_t c) { return in(decimal_ranges(), c); }
bool is_digit(char32_t c) {
  static constexpr CodeRange kShaped[] = {
      {0xB2, 0xB3},       {0xB9, 0xB9},       {0x1369, 0x1371},   {0x19DA, 0x19DA},
      {0x2070, 0x2070},   {0x2074, 0x2079},   {0x2080, 0x2089},   {0x2460, 0x2468},
      {0x2474, 0x247C},   {0x2488, 0x2490},   {0x24EA, 0x24EA},   {0x24F5, 0x24FD},
      {0x24FF, 0x24FF},   {0x2776, 0x277E},   {0x2780, 0x2788},   {0x278A, 0x2792},
      {0x10A40, 0x10A43}, {0x10E60, 0x10E68}, {0x11052, 0x1105A}, {0x1F100, 0x1F10A}};
  return is_decimal(c) || in(kShaped, c);
}
bool is_numeric(char32_t c) { return in(numeric_ranges(), c); }
bool is_alnum(char32_t c) { return is_alpha(c) || is_numeric(c); }
bool is_upper(char32_t c) { return in(upper_ranges(), c); }
bool is_lower(char32_t c) { return in(lower_ranges(), c); }
bool is_printable(char32_t c) { return !in(unprintable_ranges(), c); }
bool is_word(char32_t c) { return c == '_' || is_alnum(c); }

std::string upper(std::string_view text) {
  return map_case(text, [](char32_t) -> const Case& { return upper_case(); });
}
std::string lower(std::string_view text) {
  return map_case(text, [](char32_t) -> const Case& { return lower_case(); });
}
std::string capitalize(std::string_view text) {
  bool first = true;
  return map_case(text, [&](char32_t) -> const Case& {
    return std::exchange(first, false) ? upper_case() : lower_case();
  });
}
std::string title(std::string_view text) {
  bool inside = false;
  return map_case(text, [&](char32_t c) -> const Case& {
    const bool cased = is_upper(c) || is_lower(c);
    return std::exchange(inside, cased) ? lower_case() : upper_case();
  });
}
std::string swapcase(std::string_view text) {
  return map_case(
      text, [](char32_t c) -> const Case& { return is_upper(c) ? lower_case() : upper_case(); });
}
std::string casefold(std::string_view text) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const utf8::Decoded d = utf8::decode(text, at);
    const std::string_view bytes = text.substr(at, static_cast<size_t>(d.bytes));
    const char32_t c = d.code_point;
    at += bytes.size();
    constexpr char32_t kDotlessI = 0x131, kCapitalSharpS = 0x1E9E;
    // Cherokee folds to its capitals, which are older in Unicode than its small letters.
    const bool cherokee = (c >= 0x13A0 && c <= 0x13FD) || (c >= 0xAB70 && c <= 0xABBF);
    if (c == kDotlessI) {
      out += bytes;
    } else if (c == kCapitalSharpS) {
      out += "ss";
    } else {
      out += cherokee ? upper(bytes) : lower(upper(bytes));
    }
  }
  return out;
}

}  // namespace octavo::jinja
