#include "text/template/runtime.h"

#include <algorithm>
#include <chrono>

#include "text/template/characters.h"
#include "text/template/object.h"

namespace octavo::jinja {

Runtime::~Runtime() {
  for (const ObjectRef& object : kept_) object->clear();
}

Value Runtime::text(std::string bytes, bool markup) {
  budget.take_text(bytes.size());
  return TextRef(std::make_shared<const Text>(Text{std::move(bytes), markup}));
}

Value Runtime::text_like(const Value& like, std::string bytes) {
  return text(std::move(bytes), like.text() && like.text()->markup);
}

Value Runtime::sequence(Sequence::Kind kind, std::vector<Value> items) {
  budget.take_items(items.size());
  int depth = 0;
  for (const Value& item : items) depth = std::max(depth, item.depth());
  return SequenceRef(
      std::make_shared<const Sequence>(Sequence{kind, std::move(items), deeper(depth)}));
}

Value Runtime::list(std::vector<Value> items) {
  return sequence(Sequence::Kind::list, std::move(items));
}
Value Runtime::tuple(std::vector<Value> items) {
  return sequence(Sequence::Kind::tuple, std::move(items));
}
Value Runtime::group(Value key, Value members) {
  return sequence(Sequence::Kind::group, {std::move(key), std::move(members)});
}

Value Runtime::dict(Dict entries) {
  budget.take_items(entries.entries.size());
  return DictRef(std::make_shared<const Dict>(std::move(entries)));
}

Value Runtime::iterator(std::string_view type, std::vector<Value> items) {
  return ObjectRef(std::make_shared<Iterator>(type, *list(std::move(items)).get<SequenceRef>()));
}

void Runtime::keep_object(ObjectRef object) {
  budget.spend(Budget::kObject);
  kept_.push_back(std::move(object));
}

int Runtime::deeper(int depth) {
  if (depth >= kMaxValueDepth) fail("the template nests lists deeper than the limit allows");
  return depth + 1;
}

SequenceRef Runtime::iterate(const Value& value) {
  if (const auto* sequence = value.get<SequenceRef>()) return *sequence;
  std::vector<Value> items;
  if (const Dict* dict = value.dict()) {
    for (const auto& entry : dict->entries) items.push_back(entry.first);
  } else if (const Text* text = value.text()) {
    budget.spend(static_cast<int64_t>(text->bytes.size()) * Budget::kNode);
    for (size_t at = 0; at < text->bytes.size();) {
      const size_t bytes = character_bytes(text->bytes, at);
      items.push_back(text_like(value, text->bytes.substr(at, bytes)));
      at += bytes;
    }
  } else if (Object* object = value.object()) {
    if (SequenceRef walked = object->iterate(*this)) return walked;
    fail("'" + std::string(type_name(value)) + "' object is not iterable");
  } else if (!value.is_undefined()) {
    fail("'" + std::string(type_name(value)) + "' object is not iterable");
  }
  return *list(std::move(items)).get<SequenceRef>();
}

int64_t Runtime::length(const Value& value) {
  if (const Sequence* s = value.sequence()) return static_cast<int64_t>(s->items.size());
  if (const Dict* d = value.dict()) return static_cast<int64_t>(d->entries.size());
  if (const Text* t = value.text()) {
    budget.spend_bytes(t->bytes.size() / 4);
    return character_count(t->bytes);
  }
  if (const Object* o = value.object()) {
    if (const auto n = o->length()) return *n;
  }
  if (value.is_undefined()) return 0;
  fail("object of type '" + std::string(type_name(value)) + "' has no len()");
}

std::tm Runtime::now() const {
  if (now_) return *now_;
  const std::time_t seconds =
      std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  std::tm local{};
  localtime_r(&seconds, &local);
  return local;
}

}  // namespace octavo::jinja
