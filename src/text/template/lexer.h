#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace octavo::jinja {

enum class TokenKind {
  data,
  block_begin,
  block_end,
  variable_begin,
  variable_end,
  name,
  string,
  integer,
  floating,
  op,
  end,
};

struct Token {
  TokenKind kind = TokenKind::end;
  std::string text;  // of a name, a string (unescaped), an operator, data
  int64_t integer = 0;
  double floating = 0;
  int line = 1;

  bool is_op(std::string_view op) const { return kind == TokenKind::op && text == op; }
  bool is_name(std::string_view name) const { return kind == TokenKind::name && text == name; }
};

// Throws TemplateError naming the line.
[[noreturn]] void fail_at(int line, std::string_view problem);

// The tokens of a template, white space control (trim_blocks, lstrip_blocks, -, +) already applied;
// ends with a token of kind `end`. Throws TemplateError for text that is no template.
std::vector<Token> tokenize(std::string_view source);

}  // namespace octavo::jinja
