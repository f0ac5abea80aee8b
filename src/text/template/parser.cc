#include "text/template/parser.h"

#include <algorithm>
#include <initializer_list>
#include <set>

#include "text/template/expression_parser.h"

namespace octavo::jinja {
namespace {

using EndTags = std::initializer_list<std::string_view>;

bool is_constant_name(std::string_view name) {
  return name == "true" || name == "True" || name == "false" || name == "False" || name == "none" ||
         name == "None";
}

class Parser final : public ExpressionParser {
 public:
  using ExpressionParser::ExpressionParser;

  Body run() {
    Body body = statements({});
    check_known();
    return body;
  }

 private:
  void end_block() {
    if (current().kind != TokenKind::block_end) unexpected();
    take();
  }

  // Statements up to one of the tags, which becomes the current token; all, for no tags.
  Body statements(EndTags ends) {
    Body body;
    while (true) {
      const Token& token = current();
      if (token.kind == TokenKind::end) {
        if (ends.size() > 0) unexpected();
        return body;
      }
      if (token.kind == TokenKind::data) {
        const int line = token.line;
        body.push_back({Data{take().text}, line});
      } else if (token.kind == TokenKind::variable_begin) {
        const int line = take().line;
        body.push_back({Print{tuple({})}, line});
        if (current().kind != TokenKind::variable_end) unexpected();
        take();
      } else {
        take();
        const bool done = std::any_of(ends.begin(), ends.end(),
                                      [&](std::string_view e) { return current().is_name(e); });
        if (done) return body;
        statement(body);
        end_block();
      }
    }
  }

  // The body of a block: after its tag, up to one of `ends`.
  Body block(EndTags ends) {
    const Nesting nesting(*this);
    skip_op(":");
    end_block();
    return statements(ends);
  }
  Body block_to(std::string_view end) {
    Body body = block({end});
    take();
    return body;
  }

  // A body that is a scope of its own: conditions outside do not guard it.
  template <typename Parse>
  auto unguarded(Parse parse) {
    const bool guarded = std::exchange(guarded_, false);
    auto result = parse();
    guarded_ = guarded;
    return result;
  }
  // A body that is a function of its own: no break to a loop outside.
  template <typename Parse>
  auto separate(Parse parse) {
    const int loops = std::exchange(loops_, 0);
    auto result = unguarded(parse);
    loops_ = loops;
    return result;
  }

  void statement(Body& body) {
    const int line = current().line;
    const std::string tag = expect_identifier();
    if (tag == "print") return print(body, line);
    body.push_back({statement_node(tag, line), line});
  }

  Stmt::Node statement_node(const std::string& tag, int line) {
    if (tag == "if") return if_statement();
    if (tag == "for") return for_statement();
    if (tag == "set") return set_statement();
    if (tag == "macro") return macro();
    if (tag == "call") return call_block(line);
    if (tag == "filter") return filter_block();
    if (tag == "with") return with();
    if (tag == "generation") {
      return separate([&] { return Scope{block_to("endgeneration")}; });
    }
    if (tag == "block") return named_block(line);
    if (tag == "autoescape") return autoescape();
    if (tag == "break" || tag == "continue") {
      if (loops_ == 0) fail_at(line, "'" + tag + "' outside loop");
      if (tag == "break") return Break{};
      return Continue{};
    }
    if (tag == "include" || tag == "import" || tag == "extends" || tag == "from") {
      while (current().kind != TokenKind::block_end && current().kind != TokenKind::end) take();
      return Refused{tag};
    }
    fail_at(line, "encountered unknown tag '" + tag + "'");
  }

  void print(Body& body, int line) {
    for (bool first = true; current().kind != TokenKind::block_end; first = false) {
      if (!first) expect_op(",");
      body.push_back({Print{expression()}, line});
    }
  }

  Stmt::Node if_statement() {
    const bool guarded = std::exchange(guarded_, true);
    If node;
    while (true) {
      ExprPtr condition = tuple({.conditional = false});
      Body body = block({"elif", "else", "endif"});
      node.branches.emplace_back(std::move(condition), std::move(body));
      if (skip_name("elif")) continue;
      if (skip_name("else")) node.otherwise = block({"endif"});
      take();
      break;
    }
    guarded_ = guarded;
    return node;
  }

  Stmt::Node for_statement() {
    For node;
    node.target = target("in");
    expect_name("in");
    node.items = tuple({.conditional = false, .end_name = "recursive"});
    unguarded([&] {
      if (skip_name("if")) node.condition = expression();
      node.recursive = skip_name("recursive");
      return true;
    });
    const int before = uses_.loop;
    node.body = unguarded([&] {
      ++loops_;
      Body body = block({"endfor", "else"});
      --loops_;
      return body;
    });
    node.uses_loop = uses_.loop > before || node.recursive;
    if (take().text == "else") {
      node.otherwise = unguarded([&] { return block_to("endfor"); });
    }
    return node;
  }

  Target single_target() {
    Target target;
    if (skip_op("(")) {
      const Nesting nesting(*this);
      target = this->target({});
      expect_op(")");
      return target;
    }
    const int line = current().line;
    target.name = expect_identifier();
    if (is_constant_name(target.name)) fail_at(line, "cannot assign to '" + target.name + "'");
    return target;
  }

  // Names separated by commas; `end` is the name that may follow them.
  Target target(std::string_view end) {
    Target all;
    while (true) {
      const Token& t = current();
      const bool ends = t.kind == TokenKind::block_end || t.is_op(")") || t.is_op("=") ||
                        (!end.empty() && t.is_name(end));
      if (ends) break;
      Target one = single_target();
      if (namespaces_allowed_ && skip_op(".")) one.attribute = expect_identifier();
      all.parts.push_back(std::move(one));
      if (!skip_op(",")) break;
      all.is_tuple = true;
    }
    if (all.parts.empty()) unexpected();
    if (!all.is_tuple) return std::move(all.parts[0]);
    return all;
  }

  std::vector<FilterExpr> filter_chain() {
    std::vector<FilterExpr> filters;
    while (skip_op("|")) filters.push_back(filter(nullptr));
    return filters;
  }

  Stmt::Node set_statement() {
    namespaces_allowed_ = true;
    Target to = target({});
    namespaces_allowed_ = false;
    if (skip_op("=")) return Set{std::move(to), tuple({})};
    std::vector<FilterExpr> filters = filter_chain();
    Body body = unguarded([&] { return block_to("endset"); });
    return SetBlock{std::move(to), std::move(filters), std::move(body)};
  }

  Stmt::Node filter_block() {
    FilterBlock node;
    node.filters.push_back(filter(nullptr));
    for (FilterExpr& more : filter_chain()) node.filters.push_back(std::move(more));
    node.body = unguarded([&] { return block_to("endfilter"); });
    return node;
  }

  Signature signature() {
    Signature result;
    expect_op("(");
    while (!current().is_op(")")) {
      if (!result.names.empty()) expect_op(",");
      const int line = current().line;
      result.names.push_back(expect_identifier());
      if (is_constant_name(result.names.back())) fail_at(line, "cannot assign to a constant");
      if (skip_op("=")) {
        result.defaults.push_back(expression());
      } else if (!result.defaults.empty()) {
        fail_at(line, "a parameter without a default follows one with a default");
      }
    }
    take();
    return result;
  }

  void macro_body(MacroDef& def, std::string_view end) {
    const Uses before = uses_;
    def.body = separate([&] { return block_to(end); });
    def.signature.uses_caller = uses_.caller > before.caller;
    def.signature.uses_varargs = uses_.varargs > before.varargs;
    def.signature.uses_kwargs = uses_.kwargs > before.kwargs;
  }

  Stmt::Node macro() {
    auto def = std::make_shared<MacroDef>();
    def->name = expect_identifier();
    if (is_constant_name(def->name)) fail_at(current().line, "cannot assign to a constant");
    def->signature = signature();
    macro_body(*def, "endmacro");
    return std::shared_ptr<const MacroDef>(std::move(def));
  }

  Stmt::Node call_block(int line) {
    auto def = std::make_shared<MacroDef>();
    def->name = "caller";
    if (current().is_op("(")) def->signature = signature();
    ExprPtr call = expression();
    if (!std::holds_alternative<Call>(call->node)) fail_at(line, "expected a call");
    macro_body(*def, "endcall");
    return CallBlock{std::move(def), std::move(call)};
  }

  Stmt::Node with() {
    With node;
    while (current().kind != TokenKind::block_end && !current().is_op(":")) {
      if (!node.values.empty()) expect_op(",");
      Target to = target({});
      expect_op("=");
      node.values.emplace_back(std::move(to), expression());
    }
    node.body = unguarded([&] { return block_to("endwith"); });
    return node;
  }

  Stmt::Node named_block(int line) {
    Scope node;
    const std::string name = expect_identifier();
    if (!blocks_.insert(name).second) fail_at(line, "block '" + name + "' defined twice");
    node.detached = !skip_name("scoped");
    skip_name("required");
    node.body = separate([&] { return block_to("endblock"); });
    skip_name(name);
    return node;
  }

  Stmt::Node autoescape() {
    const ExprPtr value = expression();
    const auto* literal = std::get_if<Literal>(&value->node);
    Body body = unguarded([&] { return block_to("endautoescape"); });
    if (!literal || truthy(literal->value)) return Refused{"autoescape"};
    return Scope{std::move(body)};
  }

  int loops_ = 0;
  bool namespaces_allowed_ = false;
  std::set<std::string> blocks_;
};

}  // namespace

Body parse(std::string_view source) { return Parser(tokenize(source)).run(); }

}  // namespace octavo::jinja
