#include "text/template/expression_parser.h"

#include <algorithm>
#include <optional>

#include "text/template/filters.h"
#include "text/template/tests.h"

namespace octavo::jinja {
namespace {

int depth_of(const ExprPtr& e) { return e ? e->depth : 0; }

int depth_of(const CallArgs& args) {
  int depth = std::max(depth_of(args.rest), depth_of(args.named_rest));
  for (const ExprPtr& e : args.positional) depth = std::max(depth, depth_of(e));
  for (const auto& [name, e] : args.named) depth = std::max(depth, depth_of(e));
  return depth;
}

// The deepest child of a node.
struct ChildDepth {
  int operator()(const Literal&) const { return 0; }
  int operator()(const Name&) const { return 0; }
  int operator()(const SequenceExpr& n) const { return of(n.items); }
  int operator()(const DictExpr& n) const {
    int depth = 0;
    for (const auto& [k, v] : n.entries) depth = std::max({depth, depth_of(k), depth_of(v)});
    return depth;
  }
  int operator()(const Attribute& n) const { return depth_of(n.object); }
  int operator()(const Item& n) const { return std::max(depth_of(n.object), depth_of(n.key)); }
  int operator()(const Slice& n) const {
    return std::max({depth_of(n.object), depth_of(n.start), depth_of(n.stop), depth_of(n.step)});
  }
  int operator()(const Call& n) const { return std::max(depth_of(n.callee), depth_of(n.args)); }
  int operator()(const FilterExpr& n) const {
    return std::max(depth_of(n.object), depth_of(n.args));
  }
  int operator()(const TestExpr& n) const { return std::max(depth_of(n.object), depth_of(n.args)); }
  int operator()(const Binary& n) const { return std::max(depth_of(n.left), depth_of(n.right)); }
  int operator()(const Concat& n) const { return of(n.parts); }
  int operator()(const Compare& n) const {
    int depth = depth_of(n.first);
    for (const auto& [op, e] : n.rest) depth = std::max(depth, depth_of(e));
    return depth;
  }
  int operator()(const Logic& n) const { return std::max(depth_of(n.left), depth_of(n.right)); }
  int operator()(const Not& n) const { return depth_of(n.operand); }
  int operator()(const Sign& n) const { return depth_of(n.operand); }
  int operator()(const Conditional& n) const {
    return std::max({depth_of(n.condition), depth_of(n.then), depth_of(n.otherwise)});
  }
  static int of(const std::vector<ExprPtr>& items) {
    int depth = 0;
    for (const ExprPtr& e : items) depth = std::max(depth, depth_of(e));
    return depth;
  }
};

Value literal_text(std::string text) {
  return TextRef(std::make_shared<const Text>(Text{std::move(text), false}));
}

}  // namespace

ExpressionParser::Nesting::Nesting(ExpressionParser& parser) : parser_(parser) {
  if (++parser_.nesting_ > kMaxNesting) {
    fail_at(parser_.current().line, "the template nests deeper than the limit allows");
  }
}

Token ExpressionParser::take() {
  Token token = tokens_[at_];
  if (at_ + 1 < tokens_.size()) ++at_;
  return token;
}

bool ExpressionParser::skip_op(std::string_view op) {
  if (!current().is_op(op)) return false;
  take();
  return true;
}
bool ExpressionParser::skip_name(std::string_view name) {
  if (!current().is_name(name)) return false;
  take();
  return true;
}
void ExpressionParser::expect_op(std::string_view op) {
  if (!skip_op(op)) fail_at(current().line, "expected '" + std::string(op) + "'");
}
void ExpressionParser::expect_name(std::string_view name) {
  if (!skip_name(name)) fail_at(current().line, "expected '" + std::string(name) + "'");
}
std::string ExpressionParser::expect_identifier() {
  if (current().kind != TokenKind::name) fail_at(current().line, "expected a name");
  return take().text;
}
void ExpressionParser::unexpected() const {
  const Token& token = current();
  if (token.kind == TokenKind::end) fail_at(token.line, "unexpected end of template");
  fail_at(token.line, "unexpected '" + (token.text.empty() ? "end of tag" : token.text) + "'");
}

ExprPtr ExpressionParser::make(Expr::Node node, int line) {
  const int depth = 1 + std::visit(ChildDepth{}, node);
  auto expr = std::make_unique<Expr>(Expr{std::move(node), line, depth});
  if (depth > kMaxTreeDepth) fail_at(line, "an expression nests deeper than the limit allows");
  return expr;
}

void ExpressionParser::check_known() const {
  if (!unknown_.empty())
    fail_at(unknown_[0].second, "no filter or test named '" + unknown_[0].first + "'");
}

void ExpressionParser::note_use(std::string_view name) {
  if (name == "loop") ++uses_.loop;
  if (name == "caller") ++uses_.caller;
  if (name == "varargs") ++uses_.varargs;
  if (name == "kwargs") ++uses_.kwargs;
}

ExprPtr ExpressionParser::expression(bool conditional) {
  const Nesting nesting(*this);
  return conditional ? conditional_expression() : logic_or();
}

bool ExpressionParser::tuple_ends(const TupleRules& rules) const {
  const Token& t = current();
  return t.kind == TokenKind::variable_end || t.kind == TokenKind::block_end || t.is_op(")") ||
         (!rules.end_name.empty() && t.is_name(rules.end_name));
}

ExprPtr ExpressionParser::tuple(const TupleRules& rules) {
  const int line = current().line;
  std::vector<ExprPtr> items;
  bool is_tuple = false;
  while (true) {
    if (!items.empty()) expect_op(",");
    if (tuple_ends(rules)) break;
    items.push_back(expression(rules.conditional));
    if (!current().is_op(",")) break;
    is_tuple = true;
  }
  if (!is_tuple) {
    if (!items.empty()) return std::move(items[0]);
    if (!rules.parenthesized) unexpected();
  }
  return make(SequenceExpr{Sequence::Kind::tuple, std::move(items)}, line);
}

ExprPtr ExpressionParser::conditional_expression() {
  const size_t unknown_before = unknown_.size();
  const int line = current().line;
  ExprPtr then = logic_or();
  while (skip_name("if")) {
    ExprPtr condition = logic_or();
    ExprPtr otherwise = skip_name("else") ? expression() : nullptr;
    then = make(Conditional{std::move(condition), std::move(then), std::move(otherwise)}, line);
    unknown_.resize(unknown_before);
  }
  return then;
}

ExprPtr ExpressionParser::logic_or() {
  const int line = current().line;
  ExprPtr left = logic_and();
  while (skip_name("or")) left = make(Logic{false, std::move(left), logic_and()}, line);
  return left;
}

ExprPtr ExpressionParser::logic_and() {
  const int line = current().line;
  ExprPtr left = logic_not();
  while (skip_name("and")) left = make(Logic{true, std::move(left), logic_not()}, line);
  return left;
}

ExprPtr ExpressionParser::logic_not() {
  const int line = current().line;
  if (!skip_name("not")) return comparison();
  const Nesting nesting(*this);
  return make(Not{logic_not()}, line);
}

bool ExpressionParser::comparison_op(CompareOp& op) {
  static constexpr std::pair<std::string_view, CompareOp> kOps[] = {
      {"==", CompareOp::eq}, {"!=", CompareOp::ne}, {"<", CompareOp::lt},
      {"<=", CompareOp::le}, {">", CompareOp::gt},  {">=", CompareOp::ge}};
  for (const auto& [text, value] : kOps) {
    if (skip_op(text)) {
      op = value;
      return true;
    }
  }
  op = CompareOp::in;
  if (skip_name("in")) return true;
  op = CompareOp::not_in;
  if (!current().is_name("not") || !look().is_name("in")) return false;
  take();
  take();
  return true;
}

ExprPtr ExpressionParser::comparison() {
  const int line = current().line;
  ExprPtr first = sum();
  std::vector<std::pair<CompareOp, ExprPtr>> rest;
  for (CompareOp op; comparison_op(op);) rest.emplace_back(op, sum());
  if (rest.empty()) return first;
  return make(Compare{std::move(first), std::move(rest)}, line);
}

ExprPtr ExpressionParser::sum() {
  const int line = current().line;
  ExprPtr left = concatenation();
  while (current().is_op("+") || current().is_op("-")) {
    const BinaryOp op = take().text == "+" ? BinaryOp::add : BinaryOp::sub;
    left = make(Binary{op, std::move(left), concatenation()}, line);
  }
  return left;
}

ExprPtr ExpressionParser::concatenation() {
  const int line = current().line;
  ExprPtr first = product();
  if (!current().is_op("~")) return first;
  std::vector<ExprPtr> parts;
  parts.push_back(std::move(first));
  while (skip_op("~")) parts.push_back(product());
  return make(Concat{std::move(parts)}, line);
}

ExprPtr ExpressionParser::product() {
  static constexpr std::pair<std::string_view, BinaryOp> kOps[] = {{"*", BinaryOp::mul},
                                                                   {"/", BinaryOp::div},
                                                                   {"//", BinaryOp::floor_div},
                                                                   {"%", BinaryOp::mod}};
  const int line = current().line;
  ExprPtr left = power();
  while (current().kind == TokenKind::op) {
    const auto* found = std::find_if(std::begin(kOps), std::end(kOps),
                                     [&](const auto& o) { return current().text == o.first; });
    if (found == std::end(kOps)) break;
    take();
    left = make(Binary{found->second, std::move(left), power()}, line);
  }
  return left;
}

ExprPtr ExpressionParser::power() {
  const int line = current().line;
  ExprPtr left = unary();
  while (skip_op("**")) left = make(Binary{BinaryOp::pow, std::move(left), unary()}, line);
  return left;
}

ExprPtr ExpressionParser::unary(bool with_filter) {
  const int line = current().line;
  ExprPtr node;
  if (current().is_op("-") || current().is_op("+")) {
    const Nesting nesting(*this);
    const bool negative = take().text == "-";
    node = make(Sign{negative, unary(false)}, line);
  } else {
    node = primary();
  }
  node = postfix(std::move(node));
  return with_filter ? filters_and_tests(std::move(node)) : std::move(node);
}

ExprPtr ExpressionParser::name_or_constant() {
  const Token token = take();
  const std::string& name = token.text;
  if (name == "true" || name == "True") return make(Literal{true}, token.line);
  if (name == "false" || name == "False") return make(Literal{false}, token.line);
  if (name == "none" || name == "None") return make(Literal{None{}}, token.line);
  note_use(name);
  return make(Name{name}, token.line);
}

ExprPtr ExpressionParser::primary() {
  const Token& token = current();
  const int line = token.line;
  if (token.kind == TokenKind::name) return name_or_constant();
  if (token.kind == TokenKind::string) {
    std::string text = take().text;
    while (current().kind == TokenKind::string) text += take().text;
    return make(Literal{literal_text(std::move(text))}, line);
  }
  if (token.kind == TokenKind::integer) return make(Literal{take().integer}, line);
  if (token.kind == TokenKind::floating) return make(Literal{take().floating}, line);
  const Nesting nesting(*this);
  if (skip_op("(")) {
    ExprPtr node = tuple({.parenthesized = true});
    expect_op(")");
    return node;
  }
  if (token.is_op("[")) return list();
  if (token.is_op("{")) return dictionary();
  unexpected();
}

ExprPtr ExpressionParser::list() {
  const int line = take().line;
  std::vector<ExprPtr> items;
  while (!current().is_op("]")) {
    if (!items.empty()) expect_op(",");
    if (current().is_op("]")) break;
    items.push_back(expression());
  }
  take();
  return make(SequenceExpr{Sequence::Kind::list, std::move(items)}, line);
}

ExprPtr ExpressionParser::dictionary() {
  const int line = take().line;
  std::vector<std::pair<ExprPtr, ExprPtr>> entries;
  while (!current().is_op("}")) {
    if (!entries.empty()) expect_op(",");
    if (current().is_op("}")) break;
    ExprPtr key = expression();
    expect_op(":");
    entries.emplace_back(std::move(key), expression());
  }
  take();
  return make(DictExpr{std::move(entries)}, line);
}

ExprPtr ExpressionParser::postfix(ExprPtr node) {
  while (true) {
    const int line = current().line;
    if (current().is_op(".") || current().is_op("[")) {
      node = subscript(std::move(node));
    } else if (current().is_op("(")) {
      node = make(Call{std::move(node), call_args()}, line);
    } else {
      return node;
    }
  }
}

ExprPtr ExpressionParser::filters_and_tests(ExprPtr node) {
  while (true) {
    const int line = current().line;
    if (skip_op("|")) {
      node = make(filter(std::move(node)), line);
    } else if (skip_name("is")) {
      node = test(std::move(node));
    } else if (current().is_op("(")) {
      node = make(Call{std::move(node), call_args()}, line);
    } else {
      return node;
    }
  }
}

ExprPtr ExpressionParser::subscript(ExprPtr node) {
  const int line = current().line;
  if (!skip_op(".")) {
    take();
    return bracket_item(std::move(node), line);
  }
  if (current().kind == TokenKind::name) {
    return make(Attribute{std::move(node), take().text}, line);
  }
  if (current().kind != TokenKind::integer) fail_at(line, "expected a name or number after '.'");
  return make(Item{std::move(node), make(Literal{take().integer}, line)}, line);
}

ExprPtr ExpressionParser::bracket_item(ExprPtr node, int line) {
  ExprPtr first;
  if (current().is_op("]")) unexpected();
  if (!current().is_op(":")) first = expression();
  if (current().is_op(",")) {
    std::vector<ExprPtr> items;
    items.push_back(std::move(first));
    while (skip_op(",")) items.push_back(expression());
    expect_op("]");
    ExprPtr key = make(SequenceExpr{Sequence::Kind::tuple, std::move(items)}, line);
    return make(Item{std::move(node), std::move(key)}, line);
  }
  if (skip_op("]")) return make(Item{std::move(node), std::move(first)}, line);
  Slice slice{std::move(node), std::move(first), nullptr, nullptr};
  expect_op(":");
  if (!current().is_op(":") && !current().is_op("]")) slice.stop = expression();
  if (skip_op(":") && !current().is_op("]")) slice.step = expression();
  expect_op("]");
  return make(std::move(slice), line);
}

CallArgs ExpressionParser::call_args() {
  const Nesting nesting(*this);
  const int line = current().line;
  CallArgs args;
  const auto ensure = [&](bool holds) {
    if (!holds) fail_at(line, "invalid syntax for a call");
  };
  expect_op("(");
  for (bool first = true; !current().is_op(")"); first = false) {
    if (!first) {
      expect_op(",");
      if (current().is_op(")")) break;
    }
    if (skip_op("*")) {
      ensure(!args.rest && !args.named_rest);
      args.rest = expression();
    } else if (skip_op("**")) {
      ensure(!args.named_rest);
      args.named_rest = expression();
    } else if (current().kind == TokenKind::name && look().is_op("=")) {
      ensure(!args.named_rest);
      std::string name = take().text;
      take();
      args.named.emplace_back(std::move(name), expression());
    } else {
      ensure(!args.rest && !args.named_rest && args.named.empty());
      args.positional.push_back(expression());
    }
  }
  take();
  return args;
}

FilterExpr ExpressionParser::filter(ExprPtr object) {
  const int line = current().line;
  std::string name = expect_identifier();
  while (skip_op(".")) name += "." + expect_identifier();
  if (!guarded_ && !find_filter(name)) unknown_.emplace_back(name, line);
  CallArgs args;
  if (current().is_op("(")) args = call_args();
  return {std::move(object), std::move(name), std::move(args)};
}

CallArgs ExpressionParser::test_args() {
  CallArgs args;
  const Token& t = current();
  if (t.is_op("(")) return call_args();
  const bool begins = t.kind == TokenKind::name || t.kind == TokenKind::string ||
                      t.kind == TokenKind::integer || t.kind == TokenKind::floating ||
                      t.is_op("[") || t.is_op("{");
  if (!begins || t.is_name("else") || t.is_name("or") || t.is_name("and")) return args;
  if (t.is_name("is")) fail_at(t.line, "tests cannot be chained with is");
  args.positional.push_back(postfix(primary()));
  return args;
}

ExprPtr ExpressionParser::test(ExprPtr node) {
  const int line = current().line;
  const bool negated = skip_name("not");
  std::string name = expect_identifier();
  while (skip_op(".")) name += "." + expect_identifier();
  if (!guarded_ && !find_test(name)) unknown_.emplace_back(name, line);
  ExprPtr result = make(TestExpr{std::move(node), std::move(name), test_args()}, line);
  return negated ? make(Not{std::move(result)}, line) : std::move(result);
}

}  // namespace octavo::jinja
