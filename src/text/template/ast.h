#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "text/template/value.h"

// What a template says, as a tree. Immutable once parsed; evaluators of several threads share it.
namespace octavo::jinja {

struct Expr;
struct Stmt;
using ExprPtr = std::unique_ptr<Expr>;
using Body = std::vector<Stmt>;

enum class BinaryOp { add, sub, mul, div, floor_div, mod, pow };
enum class CompareOp { eq, ne, lt, le, gt, ge, in, not_in };

struct CallArgs {
  std::vector<ExprPtr> positional;
  std::vector<std::pair<std::string, ExprPtr>> named;
  ExprPtr rest, named_rest;  // *x, **x; null when absent
};

struct Literal {
  Value value;
};
struct Name {
  std::string name;
};
struct SequenceExpr {
  Sequence::Kind kind;
  std::vector<ExprPtr> items;
};
struct DictExpr {
  std::vector<std::pair<ExprPtr, ExprPtr>> entries;
};
struct Attribute {
  ExprPtr object;
  std::string name;
};
struct Item {
  ExprPtr object, key;
};
struct Slice {
  ExprPtr object, start, stop, step;  // the last three may be null
};
struct Call {
  ExprPtr callee;
  CallArgs args;
};
struct FilterExpr {
  ExprPtr object;  // null: the body of a filter block
  std::string name;
  CallArgs args;
};
struct TestExpr {
  ExprPtr object;
  std::string name;
  CallArgs args;
};
struct Binary {
  BinaryOp op;
  ExprPtr left, right;
};
struct Concat {
  std::vector<ExprPtr> parts;
};
struct Compare {
  ExprPtr first;
  std::vector<std::pair<CompareOp, ExprPtr>> rest;
};
struct Logic {
  bool is_and;
  ExprPtr left, right;
};
struct Not {
  ExprPtr operand;
};
struct Sign {
  bool negative;
  ExprPtr operand;
};
struct Conditional {
  ExprPtr condition, then, otherwise;  // otherwise may be null
};

struct Expr {
  using Node =
      std::variant<Literal, Name, SequenceExpr, DictExpr, Attribute, Item, Slice, Call, FilterExpr,
                   TestExpr, Binary, Concat, Compare, Logic, Not, Sign, Conditional>;
  Node node;
  int line = 1;
  int depth = 1;  // levels of this tree: bounds recursion over it
};

// What `set` and `for` assign to: a name, an attribute of a namespace, or several targets.
struct Target {
  std::string name;
  std::string attribute;  // not empty: name.attribute
  std::vector<Target> parts;
  bool is_tuple = false;
};

struct Signature {
  std::vector<std::string> names;
  std::vector<ExprPtr> defaults;  // of the last ones
  bool uses_caller = false, uses_varargs = false, uses_kwargs = false;
};

struct Data {
  std::string text;
};
struct Print {
  ExprPtr value;
};
struct If {
  std::vector<std::pair<ExprPtr, Body>> branches;
  Body otherwise;
};
struct For {
  Target target;
  ExprPtr items, condition;  // condition may be null
  bool recursive = false;
  bool uses_loop = false;
  Body body, otherwise;
};
struct Set {
  Target target;
  ExprPtr value;
};
struct SetBlock {
  Target target;
  std::vector<FilterExpr> filters;
  Body body;
};
struct FilterBlock {
  std::vector<FilterExpr> filters;
  Body body;
};
struct MacroDef {
  std::string name;
  Signature signature;
  Body body;
};
struct CallBlock {
  std::shared_ptr<const MacroDef> caller;
  ExprPtr call;  // holds a Call
};
struct With {
  std::vector<std::pair<Target, ExprPtr>> values;
  Body body;
};
// A body in a scope of its own: {% generation %}, {% block %} (which sees only the outermost names
// unless scoped), {% autoescape false %}.
struct Scope {
  Body body;
  bool detached = false;
};
struct Break {};
struct Continue {};
// A tag that we parse but refuse when it is reached: include, import, extends, autoescape.
struct Refused {
  std::string tag;
};

struct Stmt {
  using Node = std::variant<Data, Print, If, For, Set, SetBlock, FilterBlock,
                            std::shared_ptr<const MacroDef>, CallBlock, With, Scope, Break,
                            Continue, Refused>;
  Node node;
  int line = 1;
};

}  // namespace octavo::jinja
