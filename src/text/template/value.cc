#include "text/template/value.h"

#include <cmath>
#include <functional>

#include "text/template/object.h"
#include "text/template/operators.h"
#include "text/template/runtime.h"

namespace octavo::jinja {
namespace {

constexpr size_t kTupleSeed = 0x345678;

size_t hash_value(Runtime& runtime, const Value& key) {
  runtime.budget.spend(Budget::kItem);
  if (const Text* text = key.text()) {
    runtime.budget.spend_bytes(text->bytes.size());
    return hash_text(text->bytes);
  }
  if (key.is_number()) return std::hash<double>()(key.number() + 0.0);
  if (const Sequence* sequence = key.sequence()) {
    if (sequence->kind == Sequence::Kind::list) fail("unhashable type: 'list'");
    size_t hash = kTupleSeed;
    for (const Value& item : sequence->items) hash = hash * 1000003 ^ hash_value(runtime, item);
    return hash;
  }
  if (key.dict()) fail("unhashable type: 'dict'");
  if (const Object* object = key.object()) return std::hash<const Object*>()(object);
  return key.data().index();
}

}  // namespace

const Text* Value::text() const {
  const auto* ref = get<TextRef>();
  return ref ? ref->get() : nullptr;
}
const Sequence* Value::sequence() const {
  const auto* ref = get<SequenceRef>();
  return ref ? ref->get() : nullptr;
}
const Dict* Value::dict() const {
  const auto* ref = get<DictRef>();
  return ref ? ref->get() : nullptr;
}
Object* Value::object() const {
  const auto* ref = get<ObjectRef>();
  return ref ? ref->get() : nullptr;
}

bool Value::integer(int64_t& out) const {
  if (const auto* i = get<int64_t>()) {
    out = *i;
    return true;
  }
  if (const auto* b = get<bool>()) {
    out = *b ? 1 : 0;
    return true;
  }
  return false;
}

double Value::number() const {
  if (const auto* d = get<double>()) return *d;
  int64_t i = 0;
  integer(i);
  return static_cast<double>(i);
}

int Value::depth() const {
  if (const Sequence* s = sequence()) return s->depth;
  if (const Dict* d = dict()) return d->depth;
  if (const Object* o = object()) return o->depth;
  return 0;
}

const Value* Dict::find(Runtime& runtime, const Value& key) const {
  const auto [first, last] = index.equal_range(hash_value(runtime, key));
  for (auto it = first; it != last; ++it) {
    if (equal(runtime, entries[it->second].first, key)) return &entries[it->second].second;
  }
  return nullptr;
}

const Value* Dict::find(std::string_view key) const {
  const auto [first, last] = index.equal_range(hash_text(key));
  for (auto it = first; it != last; ++it) {
    const Text* text = entries[it->second].first.text();
    if (text && text->bytes == key) return &entries[it->second].second;
  }
  return nullptr;
}

void Dict::set(Runtime& runtime, Value key, Value value) {
  depth = std::max(depth, Runtime::deeper(std::max(key.depth(), value.depth())));
  if (const Value* old = find(runtime, key)) {
    *const_cast<Value*>(old) = std::move(value);
    return;
  }
  runtime.budget.take_items(entries.size() + 1 > 1'000 ? entries.size() / 1'000 : 1);
  index.emplace(hash_value(runtime, key), static_cast<uint32_t>(entries.size()));
  entries.emplace_back(std::move(key), std::move(value));
}

std::string_view type_name(const Value& value) {
  if (const Sequence* s = value.sequence()) {
    return s->kind == Sequence::Kind::list ? "list" : "tuple";
  }
  if (const Object* o = value.object()) return o->type_name();
  if (const Text* t = value.text()) return t->markup ? "Markup" : "str";
  constexpr std::string_view kNames[] = {"Undefined", "NoneType", "bool", "int", "float"};
  return value.dict() ? "dict" : kNames[value.data().index()];
}

Value undefined(std::string why) {
  return Undefined{std::make_shared<const std::string>(std::move(why))};
}

void fail_undefined(const Value& value) {
  const auto* u = value.get<Undefined>();
  fail(u && u->why ? *u->why : "a value is undefined");
}

void fail(std::string message) { throw TemplateError(std::move(message)); }

bool truthy(const Value& value) {
  if (const auto* b = value.get<bool>()) return *b;
  if (const auto* i = value.get<int64_t>()) return *i != 0;
  if (const auto* d = value.get<double>()) return *d != 0;
  if (const Text* t = value.text()) return !t->bytes.empty();
  if (const Sequence* s = value.sequence()) return !s->items.empty();
  if (const Dict* d = value.dict()) return !d->entries.empty();
  if (const Object* o = value.object()) return o->length().value_or(1) != 0;
  return false;
}

size_t hash_text(std::string_view text) { return std::hash<std::string_view>()(text); }

}  // namespace octavo::jinja
