#include "text/tokenizer/pattern.h"

#include <array>
#include <cstdio>
#include <utility>

#include "text/tokenizer/unicode.h"

namespace octavo::tokenizer {

namespace {

struct Property {
  std::string_view name;
  std::string_view pcre;  // inside a class
  uint32_t recent;        // classes whose newer characters PCRE2 may lack; 0: none needed
};

using namespace unicode;  // NOLINT: a table of classes
constexpr Property kProperties[] = {
    {"L", "\\p{L}", kLetter},
    {"Letter", "\\p{L}", kLetter},
    {"Lu", "\\p{Lu}", kUpper},
    {"Uppercase_Letter", "\\p{Lu}", kUpper},
    {"Ll", "\\p{Ll}", kLower},
    {"Lowercase_Letter", "\\p{Ll}", kLower},
    {"Lt", "\\p{Lt}", kTitle},
    {"Titlecase_Letter", "\\p{Lt}", kTitle},
    {"Lm", "\\p{Lm}", kModifier},
    {"Modifier_Letter", "\\p{Lm}", kModifier},
    {"Lo", "\\p{Lo}", kOtherLetter},
    {"Other_Letter", "\\p{Lo}", kOtherLetter},
    {"M", "\\p{M}", kMark},
    {"Mark", "\\p{M}", kMark},
    {"N", "\\p{N}", kNumber},
    {"Number", "\\p{N}", kNumber},
    {"P", "\\p{P}", kPunctuation},
    {"Punctuation", "\\p{P}", kPunctuation},
    {"S", "\\p{S}", kSymbol},
    {"Symbol", "\\p{S}", kSymbol},
    {"Z", "\\p{Z}", 0},
    {"Separator", "\\p{Z}", 0},
    {"C", "\\p{C}", 0},
    {"Other", "\\p{C}", 0},
    {"Alpha", "[:alpha:]", 0},
    {"Digit", "[:digit:]", 0},
    {"Alnum", "[:alnum:]", 0},
    {"Upper", "[:upper:]", 0},
    {"Lower", "[:lower:]", 0},
    {"Punct", "[:punct:]", 0},
    {"Space", "\\t-\\r\\x{85}\\p{Z}", 0},
    {"Word", "\\w", 0},
};

constexpr std::string_view kSpaces = "\\t-\\r\\x{85}\\p{Z}";

class Translator {
 public:
  Translator(std::string_view pattern, const Field& place) : in_(pattern), place_(place) {}

  std::string run() {
    while (at_ < in_.size()) {
      const char c = in_[at_];
      if (c == '\\') {
        escape(false);
      } else if (c == '[') {
        out_ += char_class(0);
      } else if (c == '(') {
        group();
      } else if (c == '}') {
        ++at_;
        out_ += '}';
        if (at_ < in_.size() && in_[at_] == '+' && interval_) {
          place_.fail("'{n,m}+' in a pattern means something else here than elsewhere",
                      "write (?:...{n,m})+ instead");
        }
        interval_ = false;
      } else {
        interval_ = interval_ || c == '{';
        out_ += c;
        ++at_;
      }
    }
    return std::move(out_);
  }

 private:
  // `(?m)` of Ruby lets the dot match a newline; `(?s)` does not exist there.
  void group() {
    out_ += '(';
    ++at_;
    if (at_ >= in_.size() || in_[at_] != '?') return;
    size_t end = at_ + 1;
    while (end < in_.size() && (in_[end] == '-' || (in_[end] >= 'a' && in_[end] <= 'z'))) ++end;
    if (end >= in_.size() || (in_[end] != ':' && in_[end] != ')')) return;
    for (; at_ < end; ++at_) out_ += in_[at_] == 'm' ? 's' : in_[at_];
  }

  // One escape, outside or inside a class.
  void escape(bool inside) { out_ += escaped(inside); }

  std::string escaped(bool inside) {
    const size_t begin = at_;
    at_ += 2;
    if (at_ > in_.size()) place_.fail("pattern ends in a backslash");
    const char c = in_[begin + 1];
    const auto wrap = [inside](std::string_view members, bool negated) {
      return inside ? std::string(members) : (negated ? "[^" : "[") + std::string(members) + "]";
    };
    if (c == 's') return wrap(kSpaces, false);
    if (c == 'S' && !inside) return wrap(kSpaces, true);
    if (c == 'h') return wrap("0-9a-fA-F", false);
    if (c == 'H' && !inside) return wrap("0-9a-fA-F", true);
    if ((c == 'p' || c == 'P') && at_ < in_.size() && in_[at_] == '{') return property(inside);
    if (c == 'R' || c == 'X' || c == 'K' || c == 'G' || c == 'g' || c == 'k' || c == 'C' ||
        c == 'E' || c == 'Q' || (c == 'H' && inside)) {
      place_.fail("'\\" + std::string(1, c) + "' is not supported in a pattern");
    }
    if (c == 'u' && at_ + 4 <= in_.size()) {
      at_ += 4;
      return "\\x{" + std::string(in_.substr(at_ - 4, 4)) + "}";
    }
    // The rest of a longer character keeps its lead byte.
    const size_t more = char_bytes(c) - 1;
    at_ = std::min(at_ + more, in_.size());
    return std::string(in_.substr(begin, at_ - begin));
  }

  std::string property(bool inside) {
    const size_t end = in_.find('}', at_);
    if (end == in_.npos) place_.fail("'\\p{' without '}' in a pattern");
    std::string_view name = in_.substr(at_ + 1, end - at_ - 1);
    bool negated = in_[at_ - 1] == 'P';
    at_ = end + 1;
    if (name.starts_with('^')) {
      negated = !negated;
      name.remove_prefix(1);
    }
    for (const Property& known : kProperties) {
      if (known.name != name) continue;
      std::string members = std::string(known.pcre) + newer(known.recent);
      if (!inside) return (negated ? "[^" : "[") + members + "]";
      if (!negated) return members;
      if (known.pcre.starts_with("\\p") && known.pcre.size() <= 6) {
        return "\\P" + std::string(known.pcre.substr(2));
      }
      if (known.pcre.starts_with("[:")) return "[:^" + std::string(known.pcre.substr(2));
      place_.fail("'\\P{" + std::string(name) + "}' inside a class is not supported");
    }
    for (const char c : name) {
      const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
      if (!plain) place_.fail("'\\p{" + std::string(name) + "}' is not supported in a pattern");
    }
    // Any other: a script (Oniguruma means the script itself, not its extensions) or a category.
    const std::string kind = name.size() > 2 ? "sc:" : "";
    return (negated ? "\\P{" : "\\p{") + kind + std::string(name) + "}";
  }

  // Members of these classes that came after Unicode 14, as ranges.
  static std::string newer(uint32_t mask) {
    std::string ranges;
    if (mask == 0) return ranges;
    for (size_t i = 0; i < kRecentCount; ++i) {
      for (char32_t c = kRecent[i].first; c <= kRecent[i].second; ++c) {
        if (!is(c, mask)) continue;
        char32_t last = c;
        while (last < kRecent[i].second && is(last + 1, mask)) ++last;
        char text[48];
        std::snprintf(text, sizeof text, "\\x{%x}-\\x{%x}", static_cast<unsigned>(c),
                      static_cast<unsigned>(last));
        ranges += text;
        c = last;
      }
    }
    return ranges;
  }

  // A class, from its '[' on. Intersections become look-aheads, which PCRE2 has.
  std::string char_class(int depth) {
    if (depth > 8) place_.fail("classes in a pattern are nested too deep");
    ++at_;
    bool negated = at_ < in_.size() && in_[at_] == '^';
    if (negated) ++at_;
    std::string members, guard;
    bool first = true;
    for (;; first = false) {
      if (at_ >= in_.size()) place_.fail("'[' without ']' in a pattern");
      const char c = in_[at_];
      if (c == ']' && !first) break;
      if (c == '\\') {
        members += escaped(true);
      } else if (in_.substr(at_).starts_with("[:")) {
        const size_t end = in_.find(":]", at_);
        if (end == in_.npos) place_.fail("'[:' without ':]' in a pattern");
        members += in_.substr(at_, end + 2 - at_);
        at_ = end + 2;
      } else if (in_.substr(at_).starts_with("&&")) {
        at_ += 2;
        guard += "(?=[" + std::exchange(members, "") + "])";
      } else if (c == '[') {
        members += nested(depth, members.empty() ? &guard : nullptr);
      } else {
        members += c;
        ++at_;
      }
    }
    ++at_;
    return finish(std::move(members), std::move(guard), negated);
  }

  std::string finish(std::string members, std::string guard, bool negated) const {
    if (guard.empty()) return (negated ? "[^" : "[") + members + "]";
    std::string set = guard + (members.empty() ? "(?s:.)" : "[" + members + "]");
    return negated ? "(?:(?!" + set + ")(?s:.))" : "(?:" + set + ")";
  }

  // A class within a class: a union is flattened; beside `&&` it may be negated, too.
  std::string nested(int depth, std::string* guard) {
    const std::string inner = char_class(depth + 1);
    if (inner.starts_with("[^") && guard) {
      *guard += "(?=" + inner + ")";
      return "";
    }
    if (!inner.starts_with("[") || inner.starts_with("[^")) {
      place_.fail("a negated class within a class is not supported in a pattern");
    }
    return inner.substr(1, inner.size() - 2);
  }

  std::string_view in_;
  const Field& place_;
  size_t at_ = 0;
  std::string out_;
  bool interval_ = false;
};

}  // namespace

std::string to_pcre(std::string_view pattern, const Field& place) {
  return Translator(pattern, place).run();
}

}  // namespace octavo::tokenizer
