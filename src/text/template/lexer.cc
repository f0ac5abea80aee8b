#include "text/template/lexer.h"

#include <algorithm>
#include <cstdlib>

#include "base/utf8.h"
#include "text/template/characters.h"
#include "text/template/string_literal.h"
#include "text/template/template_error.h"

namespace octavo::jinja {
namespace {

// One kind of line end, and one trailing line end dropped.
std::string normalize_newlines(std::string_view source) {
  std::string out;
  out.reserve(source.size());
  for (size_t i = 0; i < source.size(); ++i) {
    if (source[i] == '\r') {
      out += '\n';
      if (i + 1 < source.size() && source[i + 1] == '\n') ++i;
    } else {
      out += source[i];
    }
  }
  if (out.ends_with('\n')) out.pop_back();
  return utf8::sanitize(out);
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

class Lexer {
 public:
  explicit Lexer(std::string_view source) : source_(normalize_newlines(source)) {}

  std::vector<Token> run() {
    while (at_ < source_.size()) data();
    add(TokenKind::end);
    return std::move(tokens_);
  }

 private:
  std::string_view rest() const { return std::string_view(source_).substr(at_); }
  bool starts(std::string_view what) const { return rest().starts_with(what); }
  void advance(size_t bytes) {
    line_ += static_cast<int>(std::count(source_.begin() + static_cast<std::ptrdiff_t>(at_),
                                         source_.begin() + static_cast<std::ptrdiff_t>(at_ + bytes),
                                         '\n'));
    at_ += bytes;
    if (bytes > 0) line_starting_ = source_[at_ - 1] == '\n';
  }
  void add(TokenKind kind, std::string text = {}) {
    tokens_.push_back({kind, std::move(text), 0, 0, line_});
  }
  void skip_space() { advance(space_after(source_, at_)); }
  bool accept(std::string_view what) {
    if (!starts(what)) return false;
    advance(what.size());
    return true;
  }

  // Text up to the next tag, then the tag.
  void data() {
    size_t tag = at_;
    while (true) {
      tag = source_.find('{', tag);
      if (tag == std::string::npos || tag + 1 >= source_.size()) {
        emit_data(at_, source_.size());
        advance(source_.size() - at_);
        return;
      }
      const char kind = source_[tag + 1];
      if (kind == '%' || kind == '{' || kind == '#') break;
      ++tag;
    }
    const char kind = source_[tag + 1];
    const char sign = tag + 2 < source_.size() ? source_[tag + 2] : '\0';
    emit_data(at_, strip_end(tag, sign, kind != '{'));
    advance(tag + 2 - at_);
    if (sign == '-' || sign == '+') advance(1);
    if (kind == '#') return comment();
    if (kind == '%' && raw()) return;
    add(kind == '%' ? TokenKind::block_begin : TokenKind::variable_begin);
    inside(kind == '%');
  }

  // Where the text before a tag at `tag` ends once white space control has been applied.
  size_t strip_end(size_t tag, char sign, bool lstrip) const {
    const std::string_view text = std::string_view(source_).substr(at_, tag - at_);
    if (sign == '-') return tag - space_before(text, text.size());
    if (sign == '+' || !lstrip) return tag;
    const size_t newline = text.rfind('\n');
    const size_t line = newline == std::string_view::npos ? 0 : newline + 1;
    if (line == 0 && !line_starting_) return tag;
    return space_after(text, line) == text.size() - line ? at_ + line : tag;
  }

  void emit_data(size_t from, size_t to) {
    if (to > from) add(TokenKind::data, source_.substr(from, to - from));
  }

  void comment() {
    const size_t end = source_.find("#}", at_);
    if (end == std::string::npos) fail_at(line_, "missing end of comment tag");
    const char sign = end > at_ ? source_[end - 1] : '\0';
    advance(end + 2 - at_);
    if (sign == '-') {
      skip_space();
    } else if (sign != '+') {
      accept("\n");
    }
  }

  // {% raw %}...{% endraw %}: true when it was one and is now behind us.
  bool raw() {
    size_t at = at_ + space_after(source_, at_);
    if (source_.compare(at, 3, "raw") != 0) return false;
    at += 3;
    at += space_after(source_, at);
    const bool strip = source_.compare(at, 3, "-%}") == 0;
    if (!strip && source_.compare(at, 2, "%}") != 0) return false;
    advance(at + (strip ? 3 : 2) - at_);
    if (strip) skip_space();
    for (size_t tag = source_.find("{%", at_); tag != std::string::npos;
         tag = source_.find("{%", tag + 1)) {
      if (end_raw(tag)) return true;
    }
    if (at_ == source_.size()) return true;  // Jinja forgives a raw that holds nothing
    fail_at(line_, "missing end of raw directive");
  }

  bool end_raw(size_t tag) {
    size_t at = tag + 2;
    const char sign = at < source_.size() ? source_[at] : '\0';
    if (sign == '-' || sign == '+') ++at;
    at += space_after(source_, at);
    if (at > source_.size() || source_.compare(at, 6, "endraw") != 0) return false;
    at += 6;
    at += space_after(source_, at);
    const char close = at < source_.size() ? source_[at] : '\0';
    if (close == '-' || close == '+') ++at;
    if (at > source_.size() || source_.compare(at, 2, "%}") != 0) return false;
    emit_data(at_, strip_end(tag, sign, true));
    advance(at + 2 - at_);
    if (close == '-') {
      skip_space();
    } else if (close != '+') {
      accept("\n");
    }
    return true;
  }

  bool close_tag(bool block) {
    const std::string_view end = block ? "%}" : "}}";
    if (rest().size() > 2 && rest().front() == '-' && rest().substr(1, 2) == end) {
      advance(3);
      add(block ? TokenKind::block_end : TokenKind::variable_end);
      skip_space();
      return true;
    }
    if (block && accept("+%}")) {
      add(TokenKind::block_end);
      return true;
    }
    if (!accept(end)) return false;
    add(block ? TokenKind::block_end : TokenKind::variable_end);
    if (block) accept("\n");
    return true;
  }

  void inside(bool block) {
    std::string open;  // brackets that wait for their end, as their closing characters
    while (true) {
      if (open.empty() && close_tag(block)) return;
      if (at_ >= source_.size()) return;  // the parser finds the missing end
      const char c = source_[at_];
      if (const size_t space = space_after(source_, at_)) {
        advance(space);
      } else if (is_digit(c)) {
        number();
      } else if (c == '"' || c == '\'') {
        string(c);
      } else if (!name()) {
        op(open);
      }
    }
  }

  // Digits with single underscores between them; the length, 0 where there are none.
  size_t digits(size_t at) const {
    const size_t start = at;
    while (at < source_.size() &&
           (is_digit(source_[at]) || (source_[at] == '_' && at > start && at + 1 < source_.size() &&
                                      is_digit(source_[at + 1]) && is_digit(source_[at - 1])))) {
      ++at;
    }
    return at - start;
  }

  // Length of the fraction and exponent that make the number at `at` a float, else 0.
  size_t float_tail(size_t at) const {
    size_t tail = 0;
    if (at < source_.size() && source_[at] == '.') {
      const size_t fraction = digits(at + 1);
      if (fraction > 0) tail = 1 + fraction;
    }
    size_t e = at + tail;
    if (e < source_.size() && (source_[e] == 'e' || source_[e] == 'E')) {
      ++e;
      if (e < source_.size() && (source_[e] == '+' || source_[e] == '-')) ++e;
      const size_t exponent = digits(e);
      if (exponent > 0) tail = e + exponent - at;
    }
    return tail;
  }

  void number() {
    const size_t whole = digits(at_);
    const bool after_dot = at_ > 0 && source_[at_ - 1] == '.';
    const size_t tail = after_dot ? 0 : float_tail(at_ + whole);
    size_t bytes = tail > 0 ? whole + tail : integer_bytes(whole);
    std::string text = source_.substr(at_, bytes);
    std::erase(text, '_');
    add(tail > 0 ? TokenKind::floating : TokenKind::integer);
    Token& token = tokens_.back();
    if (tail > 0) {
      token.floating = std::strtod(text.c_str(), nullptr);
    } else {
      token.integer = integer_value(text);
    }
    advance(bytes);
  }

  size_t integer_bytes(size_t whole) const {
    if (source_[at_] != '0') return whole;
    const char base = at_ + 1 < source_.size() ? static_cast<char>(source_[at_ + 1] | 0x20) : '\0';
    const std::string_view allowed = base == 'x'   ? "0123456789abcdefABCDEF"
                                     : base == 'o' ? "01234567"
                                     : base == 'b' ? "01"
                                                   : "";
    size_t bytes = 2;
    while (!allowed.empty() && at_ + bytes < source_.size() &&
           (allowed.find(source_[at_ + bytes]) != std::string_view::npos ||
            source_[at_ + bytes] == '_')) {
      ++bytes;
    }
    if (bytes > 2) return bytes;
    size_t zeros = 1;
    while (zeros < whole && (source_[at_ + zeros] == '0' || source_[at_ + zeros] == '_')) ++zeros;
    return zeros;
  }

  int64_t integer_value(const std::string& text) const {
    int base = 10;
    if (text.size() > 2 && text[0] == '0') {
      const char c = static_cast<char>(text[1] | 0x20);
      base = c == 'x' ? 16 : c == 'o' ? 8 : c == 'b' ? 2 : 10;
    }
    errno = 0;
    const int64_t value = std::strtoll(text.c_str() + (base == 10 ? 0 : 2), nullptr, base);
    if (errno == ERANGE) fail_at(line_, "an integer is too large");
    return value;
  }

  void string(char quote) {
    size_t end = at_ + 1;
    while (end < source_.size() && source_[end] != quote) end += source_[end] == '\\' ? 2 : 1;
    if (end >= source_.size()) fail_at(line_, "a string does not end");
    add(TokenKind::string,
        unescape(std::string_view(source_).substr(at_ + 1, end - at_ - 1), line_));
    advance(end + 1 - at_);
  }

  bool name() {
    size_t end = at_;
    while (end < source_.size()) {
      const utf8::Decoded d = utf8::decode(source_, end);
      if (!is_word(d.code_point)) break;
      end += static_cast<size_t>(d.bytes);
    }
    if (end == at_) return false;
    add(TokenKind::name, source_.substr(at_, end - at_));
    advance(end - at_);
    return true;
  }

  void op(std::string& open) {
    constexpr std::string_view kDouble[] = {"//", "**", "==", "!=", ">=", "<="};
    for (const std::string_view two : kDouble) {
      if (starts(two)) {
        add(TokenKind::op, std::string(two));
        return advance(2);
      }
    }
    const char c = source_[at_];
    constexpr std::string_view kSingle = "+-/*%~[](){}><=.:|,;";
    if (kSingle.find(c) == std::string_view::npos) {
      fail_at(line_, std::string("unexpected character '") + c + "'");
    }
    if (c == '(' || c == '[' || c == '{') {
      open += c == '(' ? ')' : c == '[' ? ']' : '}';
    } else if (c == ')' || c == ']' || c == '}') {
      if (open.empty() || open.back() != c) fail_at(line_, std::string("unexpected '") + c + "'");
      open.pop_back();
    }
    add(TokenKind::op, std::string(1, c));
    advance(1);
  }

  std::string source_;
  size_t at_ = 0;
  int line_ = 1;
  bool line_starting_ = true;
  std::vector<Token> tokens_;
};

}  // namespace

void fail_at(int line, std::string_view problem) {
  throw TemplateError(std::string(problem) + " (line " + std::to_string(line) + ")");
}

std::vector<Token> tokenize(std::string_view source) { return Lexer(source).run(); }

}  // namespace octavo::jinja
