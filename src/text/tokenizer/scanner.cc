#include "text/tokenizer/scanner.h"

#include "text/tokenizer/unicode.h"

namespace octavo::tokenizer {

namespace {

using unicode::char_at;
using unicode::char_before;
using unicode::is;

constexpr uint32_t kWordChar = unicode::kLetter | unicode::kNumber;
// "Upper" and "lower" of o200k share the letters without case.
constexpr uint32_t kCaseless = unicode::kModifier | unicode::kOtherLetter | unicode::kMark;
constexpr uint32_t kUpperSide = unicode::kUpper | unicode::kTitle | kCaseless;
constexpr uint32_t kLowerSide = unicode::kLower | kCaseless;

// End of the run of characters in (or, negated, not in) a class.
size_t run_end(std::string_view text, size_t at, uint32_t mask, bool negated = false) {
  while (at < text.size()) {
    const auto c = char_at(text, at);
    if (is(c.code, mask) == negated) break;
    at += c.bytes;
  }
  return at;
}

bool is_newline(char c) { return c == '\r' || c == '\n'; }

size_t newlines_end(std::string_view text, size_t at, char also = '\n') {
  while (at < text.size() && (is_newline(text[at]) || text[at] == also)) ++at;
  return at;
}

// 's 't 're 've 'm 'll 'd, in any case where `any_case` says so. `at` when there is none.
size_t contraction_end(std::string_view text, size_t at, bool any_case) {
  if (at + 1 >= text.size() || text[at] != '\'') return at;
  const auto letter = [&](size_t i) -> char {
    if (i >= text.size()) return 0;
    const char c = text[i];
    return any_case && c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  };
  const char a = letter(at + 1), b = letter(at + 2);
  if (a == 's' || a == 't') return at + 2;
  if ((a == 'r' || a == 'v') && b == 'e') return at + 3;
  if (a == 'm') return at + 2;
  if (a == 'l' && b == 'l') return at + 3;
  if (a == 'd') return at + 2;
  // U+017F, the long s, folds to s.
  if (any_case && text.substr(at + 1).starts_with("\xC5\xBF")) return at + 3;
  return at;
}

// \s+(?!\S)|\s+ : a run of spaces without its last one when text follows.
size_t spaces_end(std::string_view text, size_t at, size_t run) {
  if (run == text.size()) return run;
  const size_t last = run - char_before(text, run).bytes;
  return last > at ? last : run;
}

size_t gpt2_end(std::string_view text, size_t at) {
  if (const size_t end = contraction_end(text, at, false); end != at) return end;
  const size_t word = text[at] == ' ' && at + 1 < text.size() ? at + 1 : at;
  const auto c = char_at(text, word);
  if (is(c.code, unicode::kLetter)) return run_end(text, word, unicode::kLetter);
  if (is(c.code, unicode::kNumber)) return run_end(text, word, unicode::kNumber);
  if (!is(c.code, unicode::kSpace)) return run_end(text, word, kWordChar | unicode::kSpace, true);
  return spaces_end(text, at, run_end(text, at, unicode::kSpace));
}

//  ?[^\s\p{L}\p{N}]+[\r\n]* and what follows it in the newer patterns. `also`: o200k's slash.
size_t other_end(std::string_view text, size_t at, char also) {
  const size_t mark = text[at] == ' ' && at + 1 < text.size() ? at + 1 : at;
  const size_t end = run_end(text, mark, kWordChar | unicode::kSpace, true);
  if (end > mark) return newlines_end(text, end, also);
  const size_t run = run_end(text, at, unicode::kSpace);
  // \s*[\r\n]+ : up to the last newline of the run.
  for (size_t last = run; last > at;) {
    const auto c = char_before(text, last);
    if (is_newline(text[last - 1])) return last;
    last -= c.bytes;
  }
  return spaces_end(text, at, run);
}

size_t numbers_end(std::string_view text, size_t at, int most) {
  for (int i = 0; i < most && at < text.size(); ++i) {
    const auto c = char_at(text, at);
    if (!is(c.code, unicode::kNumber)) break;
    at += c.bytes;
  }
  return at;
}

// Whether [^\r\n\p{L}\p{N}] matches.
bool is_prefix(char32_t c) { return c != '\r' && c != '\n' && !is(c, kWordChar); }

size_t cl100k_end(std::string_view text, size_t at, int digits) {
  if (const size_t end = contraction_end(text, at, true); end != at) return end;
  const auto c = char_at(text, at);
  if (is(c.code, unicode::kLetter)) return run_end(text, at, unicode::kLetter);
  if (is_prefix(c.code) && at + c.bytes < text.size()) {
    const size_t end = run_end(text, at + c.bytes, unicode::kLetter);
    if (end > at + c.bytes) return end;
  }
  if (is(c.code, unicode::kNumber)) return numbers_end(text, at, digits);
  return other_end(text, at, '\n');
}

// [upper side]*[lower side]+ ; `at` when it does not match. The first part gives characters back
// until the second one has its first.
size_t mixed_case_end(std::string_view text, size_t at) {
  const size_t upper = run_end(text, at, kUpperSide);
  const size_t end = run_end(text, upper, kLowerSide);
  if (end > upper) return end;
  for (size_t last = upper; last > at;) {
    const auto c = char_before(text, last);
    if (is(c.code, kLowerSide)) return last;
    last -= c.bytes;
  }
  return at;
}

// [upper side]+[lower side]*
size_t upper_case_end(std::string_view text, size_t at) {
  const size_t upper = run_end(text, at, kUpperSide);
  return upper == at ? at : run_end(text, upper, kLowerSide);
}

size_t o200k_end(std::string_view text, size_t at) {
  const auto c = char_at(text, at);
  const size_t word = is_prefix(c.code) ? at + c.bytes : at;
  for (auto* const part : {mixed_case_end, upper_case_end}) {
    size_t end = part(text, word);
    if (end > word) return contraction_end(text, end, true);
    end = word > at ? part(text, at) : at;
    if (end > at) return contraction_end(text, end, true);
  }
  if (is(c.code, unicode::kNumber)) return numbers_end(text, at, 3);
  return other_end(text, at, '/');
}

}  // namespace

std::optional<KnownPattern> known_pattern(std::string_view regex) {
  constexpr std::string_view kSpacesTail = R"(| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
  constexpr std::string_view kWords =
      R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N})";
  if (regex == R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)") {
    return KnownPattern::gpt2;
  }
  if (regex == std::string(kWords) + "{1,3}" + std::string(kSpacesTail))
    return KnownPattern::cl100k;
  if (regex == std::string(kWords) + std::string(kSpacesTail)) return KnownPattern::qwen;
  constexpr std::string_view kO200k =
      R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+)"
      R"((?i:'s|'t|'re|'ve|'m|'ll|'d)?|)"
      R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*)"
      R"((?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|)"
      R"(\s*[\r\n]+|\s+(?!\S)|\s+)";
  if (regex == kO200k) return KnownPattern::o200k;
  return std::nullopt;
}

size_t piece_end(KnownPattern pattern, std::string_view text, size_t at) {
  switch (pattern) {
    case KnownPattern::gpt2:
      return gpt2_end(text, at);
    case KnownPattern::cl100k:
      return cl100k_end(text, at, 3);
    case KnownPattern::qwen:
      return cl100k_end(text, at, 1);
    case KnownPattern::o200k:
      return o200k_end(text, at);
  }
  return text.size();
}

}  // namespace octavo::tokenizer
