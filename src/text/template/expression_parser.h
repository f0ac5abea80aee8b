#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "text/template/ast.h"
#include "text/template/lexer.h"

namespace octavo::jinja {

// Recursive descent over the tokens of a template; precedence as in Jinja. Unknown filters and
// tests are errors of the whole template, except in code that a condition guards: there they fail
// when they are reached, as Jinja has it.
class ExpressionParser {
 public:
  explicit ExpressionParser(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}

 protected:
  static constexpr int kMaxNesting = 150;    // of parentheses, operators and blocks in the source
  static constexpr int kMaxTreeDepth = 400;  // of one expression, long sums included

  // Where a list without brackets ends, and whether `a if b` may stand in it.
  struct TupleRules {
    bool conditional = true;
    bool parenthesized = false;
    std::string_view end_name = {};
  };

  class Nesting {
   public:
    explicit Nesting(ExpressionParser& parser);
    ~Nesting() { --parser_.nesting_; }
    Nesting(const Nesting&) = delete;
    Nesting& operator=(const Nesting&) = delete;

   private:
    ExpressionParser& parser_;
  };

  const Token& current() const { return tokens_[at_]; }
  const Token& look() const { return tokens_[at_ + 1 < tokens_.size() ? at_ + 1 : at_]; }
  Token take();
  bool skip_op(std::string_view op);
  bool skip_name(std::string_view name);
  void expect_op(std::string_view op);
  void expect_name(std::string_view name);
  std::string expect_identifier();
  [[noreturn]] void unexpected() const;

  ExprPtr expression(bool conditional = true);
  ExprPtr tuple(const TupleRules& rules);
  ExprPtr primary();
  CallArgs call_args();
  FilterExpr filter(ExprPtr object);
  ExprPtr make(Expr::Node node, int line);
  // Throws for names that Jinja found missing while compiling.
  void check_known() const;

  bool guarded_ = false;  // within the branches of an `if`, or its condition
  // Loads of the names with a meaning of their own, counted to see whether a body uses them.
  struct Uses {
    int loop = 0, caller = 0, varargs = 0, kwargs = 0;
  };
  Uses uses_;

 private:
  bool tuple_ends(const TupleRules& rules) const;
  ExprPtr conditional_expression();
  ExprPtr logic_or();
  ExprPtr logic_and();
  ExprPtr logic_not();
  ExprPtr comparison();
  ExprPtr sum();
  ExprPtr concatenation();
  ExprPtr product();
  ExprPtr power();
  ExprPtr unary(bool with_filter = true);
  ExprPtr name_or_constant();
  ExprPtr list();
  ExprPtr dictionary();
  ExprPtr postfix(ExprPtr node);
  ExprPtr filters_and_tests(ExprPtr node);
  ExprPtr subscript(ExprPtr node);
  ExprPtr bracket_item(ExprPtr node, int line);
  ExprPtr test(ExprPtr node);
  CallArgs test_args();
  bool comparison_op(CompareOp& op);
  void note_use(std::string_view name);

  std::vector<Token> tokens_;
  size_t at_ = 0;
  int nesting_ = 0;
  std::vector<std::pair<std::string, int>> unknown_;  // filters and tests that do not exist, lines
};

}  // namespace octavo::jinja
