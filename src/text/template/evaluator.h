#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "text/template/ast.h"
#include "text/template/object.h"
#include "text/template/runtime.h"

namespace octavo::jinja {

// The names of one scope. Loop bodies, macros and set blocks have their own; `if` has not.
struct Frame {
  std::shared_ptr<Frame> parent;
  std::vector<std::pair<std::string, Value>> names;

  const Value* find(std::string_view name) const;
  void set(std::string_view name, Value value);
};
using FrameRef = std::shared_ptr<Frame>;

// Walks a template once. Belongs to one rendering in one thread.
class Evaluator {
 public:
  Evaluator(Runtime& runtime, const Dict& context) : runtime_(runtime), context_(context) {}

  // The whole text. Throws TemplateError.
  std::string render(const Body& body);
  // The text of a call to a macro whose definition saw `closure`.
  Value call_macro(const MacroDef& def, const FrameRef& closure, Args& args);
  // loop(items) of a recursive loop.
  Value recurse(const For& node, const Value& items, const FrameRef& frame, int depth0);

 private:
  enum class Flow { normal, stop, next };
  class Capture;
  struct LoopRun;

  Flow execute(const Body& body, const FrameRef& frame);
  Flow execute(const Stmt& stmt, const FrameRef& frame);
  Flow run(const Data& node, const FrameRef& frame);
  Flow run(const Print& node, const FrameRef& frame);
  Flow run(const If& node, const FrameRef& frame);
  Flow run(const For& node, const FrameRef& frame);
  Flow run(const Set& node, const FrameRef& frame);
  Flow run(const SetBlock& node, const FrameRef& frame);
  Flow run(const FilterBlock& node, const FrameRef& frame);
  Flow run(const std::shared_ptr<const MacroDef>& node, const FrameRef& frame);
  Flow run(const CallBlock& node, const FrameRef& frame);
  Flow run(const With& node, const FrameRef& frame);
  Flow run(const Scope& node, const FrameRef& frame);
  Flow run(const Break&, const FrameRef&) { return Flow::stop; }
  Flow run(const Continue&, const FrameRef&) { return Flow::next; }
  Flow run(const Refused& node, const FrameRef& frame);

  Value eval(const ExprPtr& expr, Frame& frame);
  Value eval(const Literal& node, Frame&) { return node.value; }
  Value eval(const Name& node, Frame& frame);
  Value eval(const SequenceExpr& node, Frame& frame);
  Value eval(const DictExpr& node, Frame& frame);
  Value eval(const Attribute& node, Frame& frame);
  Value eval(const Item& node, Frame& frame);
  Value eval(const Slice& node, Frame& frame);
  Value eval(const Call& node, Frame& frame);
  Value eval(const FilterExpr& node, Frame& frame);
  Value eval(const TestExpr& node, Frame& frame);
  Value eval(const Binary& node, Frame& frame);
  Value eval(const Concat& node, Frame& frame);
  Value eval(const Compare& node, Frame& frame);
  Value eval(const Logic& node, Frame& frame);
  Value eval(const Not& node, Frame& frame);
  Value eval(const Sign& node, Frame& frame);
  Value eval(const Conditional& node, Frame& frame);

  void run_loop(const LoopRun& loop, const FrameRef& frame);
  SequenceRef loop_items(const For& node, const Value& items, const FrameRef& frame);
  Args arguments(const CallArgs& args, Frame& frame);
  Value call(const Value& callee, Args& args);
  Value call_expression(const Call& node, Frame& frame, const Value* caller);
  Value apply_filter(const FilterExpr& node, const Value& self, Frame& frame);
  void assign(const Target& target, const Value& value, Frame& frame);
  Value make_macro(const std::shared_ptr<const MacroDef>& def, const FrameRef& frame);
  void write(std::string_view text);

  Runtime& runtime_;
  const Dict& context_;
  FrameRef root_;
  std::string* out_ = nullptr;
};

}  // namespace octavo::jinja
