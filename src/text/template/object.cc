#include "text/template/object.h"

#include <algorithm>

#include "text/template/methods.h"
#include "text/template/runtime.h"

namespace octavo::jinja {

std::string Object::repr(Runtime&) const { return "<" + std::string(type_name()) + " object>"; }
std::optional<Value> Object::attribute(Runtime&, std::string_view) { return std::nullopt; }
Value Object::call(Runtime&, Args&) {
  fail("'" + std::string(type_name()) + "' object is not callable");
}

Iterator::Iterator(std::string_view type, SequenceRef items) : type_(type), items_(items) {
  depth = Runtime::deeper(items_->depth);
}

SequenceRef Iterator::iterate(Runtime& runtime) {
  const auto& all = items_->items;
  SequenceRef rest = items_;
  if (at_ > 0) {
    rest = *runtime.list({all.begin() + static_cast<std::ptrdiff_t>(at_), all.end()})
                .get<SequenceRef>();
  }
  at_ = all.size();
  return rest;
}

std::optional<Value> Iterator::next() {
  if (at_ >= items_->items.size()) return std::nullopt;
  return items_->items[at_++];
}

DictView::DictView(Kind kind, DictRef dict) : kind_(kind), dict_(std::move(dict)) {
  depth = Runtime::deeper(dict_->depth);
}

std::string_view DictView::type_name() const {
  return kind_ == Kind::keys ? "dict_keys" : kind_ == Kind::values ? "dict_values" : "dict_items";
}

std::string DictView::repr(Runtime& runtime) const {
  DictView copy(kind_, dict_);
  return std::string(type_name()) + "(" + runtime.repr(Value(copy.iterate(runtime))) + ")";
}

std::optional<int64_t> DictView::length() const {
  return static_cast<int64_t>(dict_->entries.size());
}

SequenceRef DictView::iterate(Runtime& runtime) {
  std::vector<Value> items;
  items.reserve(dict_->entries.size());
  for (const auto& [key, value] : dict_->entries) {
    if (kind_ == Kind::items) {
      items.push_back(runtime.tuple({key, value}));
    } else {
      items.push_back(kind_ == Kind::keys ? key : value);
    }
  }
  return *runtime.list(std::move(items)).get<SequenceRef>();
}

int64_t Range::count(int64_t start, int64_t stop, int64_t step) {
  const auto distance = static_cast<__int128>(stop) - start;
  if ((distance > 0) != (step > 0) || distance == 0) return 0;
  const auto n = (distance + (step > 0 ? step - 1 : step + 1)) / step;
  return n > INT64_MAX ? INT64_MAX : static_cast<int64_t>(n);
}

std::string Range::repr(Runtime&) const {
  std::string out = "range(" + std::to_string(start_) + ", " + std::to_string(stop_);
  return out + (step_ == 1 ? ")" : ", " + std::to_string(step_) + ")");
}

SequenceRef Range::iterate(Runtime& runtime) {
  std::vector<Value> items;
  const int64_t n = *length();
  items.reserve(static_cast<size_t>(n));
  for (int64_t i = 0; i < n; ++i) items.emplace_back(at(i));
  return *runtime.list(std::move(items)).get<SequenceRef>();
}

std::string Namespace::repr(Runtime& runtime) const {
  const Budget::Level level(runtime.budget);
  std::string out = "<Namespace {";
  for (const auto& [name, value] : attributes_) {
    if (out.back() != '{') out += ", ";
    out += runtime.repr(runtime.text(name)) + ": " + runtime.repr(value);
    runtime.budget.take_text(out.size());
  }
  return out + "}>";
}

std::optional<Value> Namespace::attribute(Runtime& runtime, std::string_view name) {
  runtime.budget.spend(static_cast<int64_t>(attributes_.size() / 8));
  for (const auto& [key, value] : attributes_) {
    if (key == name) return value;
  }
  return std::nullopt;
}

void Namespace::set(std::string_view name, Value value) {
  if (name.starts_with('_')) {
    fail("chat templates cannot store attribute '" + std::string(name) + "' on a namespace");
  }
  const auto it = std::find_if(attributes_.begin(), attributes_.end(),
                               [&](const auto& entry) { return entry.first == name; });
  if (it != attributes_.end()) {
    it->second = std::move(value);
  } else {
    attributes_.emplace_back(name, std::move(value));
  }
}

BoundMethod::BoundMethod(Value self, std::string name)
    : self_(std::move(self)), name_(std::move(name)) {
  depth = Runtime::deeper(self_.depth());
}

Value BoundMethod::call(Runtime& runtime, Args& args) {
  return call_method(runtime, self_, name_, args);
}

}  // namespace octavo::jinja
