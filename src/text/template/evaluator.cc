#include "text/template/evaluator.h"

#include <algorithm>
#include <utility>

#include "text/template/arguments.h"
#include "text/template/operators.h"

namespace octavo::jinja {
namespace {

// A macro, or the `caller` of a call block.
class Macro final : public Object {
 public:
  Macro(Evaluator& evaluator, std::shared_ptr<const MacroDef> def, FrameRef closure)
      : evaluator_(evaluator), def_(std::move(def)), closure_(std::move(closure)) {}
  std::string_view type_name() const override { return "Macro"; }
  bool callable() const override { return true; }
  Value call(Runtime&, Args& args) override { return evaluator_.call_macro(*def_, closure_, args); }
  std::optional<Value> attribute(Runtime& runtime, std::string_view name) override {
    if (name == "name") return runtime.text(def_->name);
    return std::nullopt;
  }
  void clear() override { closure_.reset(); }

 private:
  Evaluator& evaluator_;
  std::shared_ptr<const MacroDef> def_;
  FrameRef closure_;
};

// The variable `loop`.
class Loop final : public Object, public std::enable_shared_from_this<Loop> {
 public:
  struct Origin {
    Evaluator& evaluator;
    const For& node;
    FrameRef frame;
    int depth0;
  };
  Loop(SequenceRef items, Origin origin) : items_(std::move(items)), origin_(std::move(origin)) {
    depth = Runtime::deeper(items_->depth);
  }
  std::string_view type_name() const override { return "LoopContext"; }
  bool callable() const override { return true; }
  bool iterable() const override { return false; }
  std::optional<int64_t> length() const override { return size(); }
  std::string repr(Runtime&) const override {
    return "<LoopContext " + std::to_string(index_ + 1) + "/" + std::to_string(size()) + ">";
  }
  Value call(Runtime&, Args& args) override {
    const Parameters p(args, "loop", {"iterable"}, 1);
    if (!origin_.node.recursive) fail("the loop must have the 'recursive' marker to be called");
    return origin_.evaluator.recurse(origin_.node, p[0], origin_.frame, origin_.depth0 + 1);
  }
  std::optional<Value> attribute(Runtime& runtime, std::string_view name) override;
  void move_to(int64_t index) { index_ = index; }
  Value cycle(const Args& args) const {
    if (args.positional.empty()) fail("no items for cycling given");
    return args.positional[static_cast<size_t>(index_) % args.positional.size()];
  }
  Value changed(Runtime& runtime, const Args& args) {
    const Value now = runtime.tuple(args.positional);
    const bool differs = !last_ || !equal(runtime, *last_, now);
    if (differs) last_ = now;
    return differs;
  }
  void clear() override {
    last_.reset();
    origin_.frame.reset();
    items_ = std::make_shared<const Sequence>();
  }

 private:
  int64_t size() const { return static_cast<int64_t>(items_->items.size()); }
  Value neighbour(int64_t index, std::string_view problem) const {
    if (index < 0 || index >= size()) return undefined(std::string(problem));
    return items_->items[static_cast<size_t>(index)];
  }

  SequenceRef items_;
  Origin origin_;
  int64_t index_ = 0;
  std::optional<Value> last_;
};

class LoopMethod final : public Object {
 public:
  LoopMethod(std::shared_ptr<Loop> loop, bool cycle) : loop_(std::move(loop)), cycle_(cycle) {}
  std::string_view type_name() const override { return "method"; }
  bool callable() const override { return true; }
  Value call(Runtime& runtime, Args& args) override {
    return cycle_ ? loop_->cycle(args) : loop_->changed(runtime, args);
  }

 private:
  std::shared_ptr<Loop> loop_;
  bool cycle_;
};

std::optional<Value> Loop::attribute(Runtime&, std::string_view name) {
  if (name == "index") return index_ + 1;
  if (name == "index0") return index_;
  if (name == "first") return index_ == 0;
  if (name == "last") return index_ + 1 == size();
  if (name == "length") return size();
  if (name == "revindex") return size() - index_;
  if (name == "revindex0") return size() - index_ - 1;
  if (name == "depth") return int64_t{origin_.depth0} + 1;
  if (name == "depth0") return int64_t{origin_.depth0};
  if (name == "previtem") return neighbour(index_ - 1, "there is no previous item");
  if (name == "nextitem") return neighbour(index_ + 1, "there is no next item");
  if (name == "cycle" || name == "changed") {
    return ObjectRef(std::make_shared<LoopMethod>(shared_from_this(), name == "cycle"));
  }
  return std::nullopt;
}

FrameRef inner(const FrameRef& parent) { return std::make_shared<Frame>(Frame{parent, {}}); }

}  // namespace

// What is written while it lives goes to its own text.
class Evaluator::Capture {
 public:
  explicit Capture(Evaluator& evaluator)
      : evaluator_(evaluator), outer_(std::exchange(evaluator.out_, &text_)) {}
  ~Capture() { evaluator_.out_ = outer_; }
  Capture(const Capture&) = delete;
  Capture& operator=(const Capture&) = delete;
  std::string take() { return std::move(text_); }

 private:
  Evaluator& evaluator_;
  std::string* outer_;
  std::string text_;
};

struct Evaluator::LoopRun {
  const For& node;
  SequenceRef items;
  int depth0;
};

std::string Evaluator::render(const Body& body) {
  Capture capture(*this);
  root_ = std::make_shared<Frame>();
  execute(body, root_);
  return capture.take();
}

void Evaluator::write(std::string_view text) {
  runtime_.budget.take_text(text.size());
  if (static_cast<int64_t>(out_->size() + text.size()) >
      runtime_.budget.limits().max_output_bytes) {
    fail("the template wrote more text than the limit allows");
  }
  *out_ += text;
}

Evaluator::Flow Evaluator::execute(const Body& body, const FrameRef& frame) {
  for (const Stmt& stmt : body) {
    const Flow flow = execute(stmt, frame);
    if (flow != Flow::normal) return flow;
  }
  return Flow::normal;
}

Evaluator::Flow Evaluator::execute(const Stmt& stmt, const FrameRef& frame) {
  const Budget::Level level(runtime_.budget);
  runtime_.budget.spend(Budget::kNode);
  return std::visit([&](const auto& node) { return run(node, frame); }, stmt.node);
}

Evaluator::Flow Evaluator::run(const Data& node, const FrameRef&) {
  write(node.text);
  return Flow::normal;
}

Evaluator::Flow Evaluator::run(const Print& node, const FrameRef& frame) {
  const Value value = eval(node.value, *frame);
  if (const Text* text = value.text()) {
    write(text->bytes);
  } else {
    write(runtime_.str(value));
  }
  return Flow::normal;
}

Evaluator::Flow Evaluator::run(const If& node, const FrameRef& frame) {
  for (const auto& [condition, body] : node.branches) {
    if (truthy(eval(condition, *frame))) return execute(body, frame);
  }
  return execute(node.otherwise, frame);
}

SequenceRef Evaluator::loop_items(const For& node, const Value& items, const FrameRef& frame) {
  SequenceRef all = runtime_.iterate(items);
  if (!node.condition) return all;
  std::vector<Value> kept;
  const FrameRef scope = inner(frame);
  for (const Value& item : all->items) {
    runtime_.budget.spend(Budget::kStep);
    scope->names.clear();
    assign(node.target, item, *scope);
    if (truthy(eval(node.condition, *scope))) kept.push_back(item);
  }
  return *runtime_.list(std::move(kept)).get<SequenceRef>();
}

void Evaluator::run_loop(const LoopRun& loop, const FrameRef& frame) {
  const For& node = loop.node;
  if (loop.items->items.empty()) {
    execute(node.otherwise, inner(frame));
    return;
  }
  std::shared_ptr<Loop> state;
  if (node.uses_loop) {
    state = runtime_.keep(
        std::make_shared<Loop>(loop.items, Loop::Origin{*this, node, frame, loop.depth0}));
  }
  FrameRef scope = inner(frame);
  for (size_t i = 0; i < loop.items->items.size(); ++i) {
    runtime_.budget.spend(Budget::kStep);
    // A macro made in the last round keeps that round's names.
    if (scope.use_count() > 1) scope = inner(frame);
    scope->names.clear();
    if (state) {
      state->move_to(static_cast<int64_t>(i));
      scope->set("loop", ObjectRef(state));
    }
    assign(node.target, loop.items->items[i], *scope);
    if (execute(node.body, scope) == Flow::stop) break;
  }
}

Evaluator::Flow Evaluator::run(const For& node, const FrameRef& frame) {
  const SequenceRef items = loop_items(node, eval(node.items, *frame), frame);
  run_loop({node, items, 0}, frame);
  return Flow::normal;
}

Value Evaluator::recurse(const For& node, const Value& items, const FrameRef& frame, int depth0) {
  const Budget::MacroLevel level(runtime_.budget);
  Capture capture(*this);
  run_loop({node, loop_items(node, items, frame), depth0}, frame);
  return runtime_.text(capture.take());
}

void Evaluator::assign(const Target& target, const Value& value, Frame& frame) {
  if (target.is_tuple) {
    if (value.is_undefined()) fail_undefined(value);
    const SequenceRef items = runtime_.iterate(value);
    if (items->items.size() != target.parts.size()) {
      const bool more = items->items.size() > target.parts.size();
      fail(std::string(more ? "too many" : "not enough") + " values to unpack (expected " +
           std::to_string(target.parts.size()) + ")");
    }
    for (size_t i = 0; i < target.parts.size(); ++i) {
      assign(target.parts[i], items->items[i], frame);
    }
    return;
  }
  if (target.attribute.empty()) return frame.set(target.name, value);
  const Value* found = frame.find(target.name);
  auto* object = found ? dynamic_cast<Namespace*>(found->object()) : nullptr;
  if (!object) fail("cannot assign attribute on non-namespace object");
  object->set(target.attribute, value);
}

Evaluator::Flow Evaluator::run(const Set& node, const FrameRef& frame) {
  assign(node.target, eval(node.value, *frame), *frame);
  return Flow::normal;
}

Evaluator::Flow Evaluator::run(const SetBlock& node, const FrameRef& frame) {
  Capture capture(*this);
  const FrameRef scope = inner(frame);
  const Flow flow = execute(node.body, scope);
  Value value = runtime_.text(capture.take());
  for (const FilterExpr& filter : node.filters) value = apply_filter(filter, value, *scope);
  assign(node.target, value, *frame);
  return flow;
}

Evaluator::Flow Evaluator::run(const FilterBlock& node, const FrameRef& frame) {
  Value value;
  Flow flow;
  const FrameRef scope = inner(frame);
  {
    Capture capture(*this);
    flow = execute(node.body, scope);
    value = runtime_.text(capture.take());
  }
  for (const FilterExpr& filter : node.filters) value = apply_filter(filter, value, *scope);
  write(runtime_.str(value));
  return flow;
}

Value Evaluator::make_macro(const std::shared_ptr<const MacroDef>& def, const FrameRef& frame) {
  return ObjectRef(runtime_.keep(std::make_shared<Macro>(*this, def, frame)));
}

Evaluator::Flow Evaluator::run(const std::shared_ptr<const MacroDef>& node, const FrameRef& frame) {
  frame->set(node->name, make_macro(node, frame));
  return Flow::normal;
}

Evaluator::Flow Evaluator::run(const CallBlock& node, const FrameRef& frame) {
  const Value caller = make_macro(node.caller, frame);
  write(runtime_.str(call_expression(std::get<Call>(node.call->node), *frame, &caller)));
  return Flow::normal;
}

Evaluator::Flow Evaluator::run(const With& node, const FrameRef& frame) {
  const FrameRef scope = inner(frame);
  for (const auto& [target, expr] : node.values) assign(target, eval(expr, *frame), *scope);
  return execute(node.body, scope);
}

Evaluator::Flow Evaluator::run(const Scope& node, const FrameRef& frame) {
  return execute(node.body, inner(node.detached ? root_ : frame));
}

Evaluator::Flow Evaluator::run(const Refused& node, const FrameRef&) {
  fail("the tag '" + node.tag + "' is not available to chat templates");
}

Value Evaluator::call_macro(const MacroDef& def, const FrameRef& closure, Args& args) {
  const Budget::MacroLevel level(runtime_.budget);
  const Signature& signature = def.signature;
  const FrameRef frame = inner(closure);
  const size_t count = signature.names.size();
  const auto take_named = [&](std::string_view name) -> std::optional<Value> {
    const auto it = std::find_if(args.named.begin(), args.named.end(),
                                 [&](const auto& entry) { return entry.first == name; });
    if (it == args.named.end()) return std::nullopt;
    Value value = std::move(it->second);
    args.named.erase(it);
    return value;
  };
  const size_t first_default = count - signature.defaults.size();
  for (size_t i = 0; i < count; ++i) {
    const std::string& name = signature.names[i];
    Value value = undefined("parameter '" + name + "' was not provided");
    if (i < args.positional.size()) {
      value = args.positional[i];
    } else if (auto named = take_named(name)) {
      value = std::move(*named);
    } else if (i >= first_default) {
      value = eval(signature.defaults[i - first_default], *frame);
    }
    frame->set(name, std::move(value));
  }
  const bool explicit_caller =
      std::find(signature.names.begin(), signature.names.end(), "caller") != signature.names.end();
  if (signature.uses_caller && !explicit_caller) {
    const auto caller = take_named("caller");
    frame->set("caller", caller ? *caller : undefined("No caller defined"));
  }
  if (signature.uses_kwargs) {
    Dict rest;
    for (const auto& [name, value] : args.named) rest.set(runtime_, runtime_.text(name), value);
    frame->set("kwargs", runtime_.dict(std::move(rest)));
  } else if (!args.named.empty()) {
    fail("macro '" + def.name + "' takes no keyword argument '" + args.named[0].first + "'");
  }
  const size_t used = std::min(count, args.positional.size());
  if (signature.uses_varargs) {
    frame->set("varargs",
               runtime_.tuple({args.positional.begin() + static_cast<std::ptrdiff_t>(used),
                               args.positional.end()}));
  } else if (args.positional.size() > count) {
    fail("macro '" + def.name + "' takes not more than " + std::to_string(count) + " argument(s)");
  }
  Capture capture(*this);
  execute(def.body, frame);
  return runtime_.text(capture.take());
}

}  // namespace octavo::jinja
