// The evaluator's half for expressions.
#include "text/template/access.h"
#include "text/template/evaluator.h"
#include "text/template/filters.h"
#include "text/template/functions.h"
#include "text/template/methods.h"
#include "text/template/operators.h"
#include "text/template/tests.h"

namespace octavo::jinja {

const Value* Frame::find(std::string_view name) const {
  for (const Frame* frame = this; frame; frame = frame->parent.get()) {
    for (const auto& [key, value] : frame->names) {
      if (key == name) return &value;
    }
  }
  return nullptr;
}

void Frame::set(std::string_view name, Value value) {
  for (auto& [key, old] : names) {
    if (key == name) {
      old = std::move(value);
      return;
    }
  }
  names.emplace_back(name, std::move(value));
}

Value Evaluator::eval(const ExprPtr& expr, Frame& frame) {
  const Budget::Level level(runtime_.budget);
  runtime_.budget.spend(Budget::kNode);
  return std::visit([&](const auto& node) { return eval(node, frame); }, expr->node);
}

Value Evaluator::eval(const Name& node, Frame& frame) {
  if (const Value* found = frame.find(node.name)) return *found;
  if (const Value* found = context_.find(node.name)) return *found;
  if (auto function = find_function(node.name)) return *function;
  return undefined("'" + node.name + "' is undefined");
}

Value Evaluator::eval(const SequenceExpr& node, Frame& frame) {
  std::vector<Value> items;
  items.reserve(node.items.size());
  for (const ExprPtr& item : node.items) items.push_back(eval(item, frame));
  return node.kind == Sequence::Kind::list ? runtime_.list(std::move(items))
                                           : runtime_.tuple(std::move(items));
}

Value Evaluator::eval(const DictExpr& node, Frame& frame) {
  Dict dict;
  for (const auto& [key_expr, value_expr] : node.entries) {
    Value key = eval(key_expr, frame);
    dict.set(runtime_, std::move(key), eval(value_expr, frame));
  }
  return runtime_.dict(std::move(dict));
}

Value Evaluator::eval(const Attribute& node, Frame& frame) {
  return get_attribute(runtime_, eval(node.object, frame), node.name);
}

Value Evaluator::eval(const Item& node, Frame& frame) {
  const Value object = eval(node.object, frame);
  return get_item(runtime_, object, eval(node.key, frame));
}

Value Evaluator::eval(const Slice& node, Frame& frame) {
  const Value object = eval(node.object, frame);
  const auto bound = [&](const ExprPtr& e) { return e ? eval(e, frame) : Value(None{}); };
  SliceBounds bounds;
  bounds.start = bound(node.start);
  bounds.stop = bound(node.stop);
  bounds.step = bound(node.step);
  return get_slice(runtime_, object, bounds);
}

Args Evaluator::arguments(const CallArgs& args, Frame& frame) {
  Args out;
  for (const ExprPtr& e : args.positional) out.positional.push_back(eval(e, frame));
  for (const auto& [name, e] : args.named) out.named.emplace_back(name, eval(e, frame));
  if (args.rest) {
    const Value rest = eval(args.rest, frame);
    if (rest.is_undefined()) fail_undefined(rest);
    const SequenceRef more = runtime_.iterate(rest);
    out.positional.insert(out.positional.end(), more->items.begin(), more->items.end());
  }
  if (args.named_rest) {
    const Value rest = eval(args.named_rest, frame);
    if (!rest.dict()) fail("argument after ** must be a mapping");
    for (const auto& [key, value] : rest.dict()->entries) {
      if (!key.text()) fail("keywords must be strings");
      out.named.emplace_back(key.text()->bytes, value);
    }
  }
  return out;
}

Value Evaluator::call(const Value& callee, Args& args) {
  runtime_.budget.spend(Budget::kStep);
  if (callee.is_undefined()) fail_undefined(callee);
  Object* object = callee.object();
  if (!object) fail("'" + std::string(type_name(callee)) + "' object is not callable");
  return object->call(runtime_, args);
}

Value Evaluator::call_expression(const Call& node, Frame& frame, const Value* caller) {
  const auto* attribute = std::get_if<Attribute>(&node.callee->node);
  const auto with_caller = [&](Args args) {
    if (caller) args.named.emplace_back("caller", *caller);
    return args;
  };
  if (attribute) {
    // The usual x.strip() needs no bound method in between.
    const Value self = eval(attribute->object, frame);
    if ((self.text() || self.dict()) &&
        method_access(self, attribute->name) == MethodAccess::allowed) {
      return call_method(runtime_, self, attribute->name, with_caller(arguments(node.args, frame)));
    }
    const Value callee = get_attribute(runtime_, self, attribute->name);
    Args args = with_caller(arguments(node.args, frame));
    return call(callee, args);
  }
  const Value callee = eval(node.callee, frame);
  Args args = with_caller(arguments(node.args, frame));
  return call(callee, args);
}

Value Evaluator::eval(const Call& node, Frame& frame) {
  return call_expression(node, frame, nullptr);
}

Value Evaluator::apply_filter(const FilterExpr& node, const Value& self, Frame& frame) {
  const Filter filter = find_filter(node.name);
  if (!filter) fail("no filter named '" + node.name + "'");
  runtime_.budget.spend(Budget::kStep / 2);
  return filter(runtime_, self, arguments(node.args, frame));
}

Value Evaluator::eval(const FilterExpr& node, Frame& frame) {
  return apply_filter(node, eval(node.object, frame), frame);
}

Value Evaluator::eval(const TestExpr& node, Frame& frame) {
  const Test test = find_test(node.name);
  if (!test) fail("no test named '" + node.name + "'");
  const Value self = eval(node.object, frame);
  return test(runtime_, self, arguments(node.args, frame));
}

Value Evaluator::eval(const Binary& node, Frame& frame) {
  const Value left = eval(node.left, frame);
  return binary(runtime_, node.op, left, eval(node.right, frame));
}

Value Evaluator::eval(const Concat& node, Frame& frame) {
  std::string out;
  for (const ExprPtr& part : node.parts) {
    out += runtime_.str(eval(part, frame));
    if (static_cast<int64_t>(out.size()) > runtime_.budget.limits().max_output_bytes) break;
  }
  return runtime_.text(std::move(out));
}

Value Evaluator::eval(const Compare& node, Frame& frame) {
  Value left = eval(node.first, frame);
  for (const auto& [op, expr] : node.rest) {
    Value right = eval(expr, frame);
    if (!compare(runtime_, op, left, right)) return false;
    left = std::move(right);
  }
  return true;
}

Value Evaluator::eval(const Logic& node, Frame& frame) {
  Value left = eval(node.left, frame);
  return truthy(left) == node.is_and ? eval(node.right, frame) : left;
}

Value Evaluator::eval(const Not& node, Frame& frame) { return !truthy(eval(node.operand, frame)); }

Value Evaluator::eval(const Sign& node, Frame& frame) {
  return signed_value(eval(node.operand, frame), node.negative);
}

Value Evaluator::eval(const Conditional& node, Frame& frame) {
  if (truthy(eval(node.condition, frame))) return eval(node.then, frame);
  if (node.otherwise) return eval(node.otherwise, frame);
  return undefined("the inline if-expression evaluated to false and no else section was defined");
}

}  // namespace octavo::jinja
