#include "text/template/access.h"

#include <algorithm>
#include <optional>

#include "text/template/characters.h"
#include "text/template/methods.h"
#include "text/template/object.h"
#include "text/template/operators.h"
#include "text/template/python_repr.h"
#include "text/template/runtime.h"

namespace octavo::jinja {
namespace {

std::string described(const Value& object) {
  if (object.is_none()) return "None";
  return std::string(type_name(object)) + " object";
}

Value missing_attribute(const Value& object, std::string_view name) {
  return undefined("'" + described(object) + "' has no attribute '" + std::string(name) + "'");
}

// What Python's getattr finds on the type itself; empty when there is no such attribute.
std::optional<Value> type_attribute(Runtime& runtime, const Value& object, std::string_view name) {
  const Sequence* sequence = object.sequence();
  if (sequence && sequence->kind == Sequence::Kind::group) {
    if (name == "grouper") return sequence->items[0];
    if (name == "list") return sequence->items[1];
  }
  if (Object* o = object.object()) {
    if (auto found = o->attribute(runtime, name)) return found;
  }
  switch (method_access(object, name)) {
    case MethodAccess::allowed:
      return ObjectRef(std::make_shared<BoundMethod>(object, std::string(name)));
    case MethodAccess::refused:
      return undefined("access to attribute '" + std::string(name) + "' of '" +
                       std::string(type_name(object)) + "' object is unsafe.");
    case MethodAccess::none:
      break;
  }
  return std::nullopt;
}

// obj[key] as Python does it, without the attribute that the sandbox tries next.
std::optional<Value> subscript(Runtime& runtime, const Value& object, const Value& key) {
  if (const Dict* dict = object.dict()) {
    if ((key.sequence() && key.sequence()->kind == Sequence::Kind::list) || key.dict()) {
      return std::nullopt;
    }
    const Value* found = dict->find(runtime, key);
    return found ? std::optional<Value>(*found) : std::nullopt;
  }
  int64_t index = 0;
  if (!key.integer(index)) return std::nullopt;
  const bool indexable =
      object.sequence() || object.text() || dynamic_cast<Range*>(object.object());
  if (!indexable) return std::nullopt;
  const int64_t size = runtime.length(object);
  if (index < 0) index += size;
  if (index < 0 || index >= size) return std::nullopt;
  if (const Sequence* sequence = object.sequence())
    return sequence->items[static_cast<size_t>(index)];
  if (const Text* text = object.text()) {
    const size_t at = character_offset(text->bytes, index);
    return runtime.text_like(object, text->bytes.substr(at, character_bytes(text->bytes, at)));
  }
  return dynamic_cast<Range*>(object.object())->at(index);
}

// One end of a slice, clamped as Python clamps it.
int64_t bound(const Value& value, int64_t size, int64_t fallback, bool backwards) {
  if (value.is_none()) return fallback;
  int64_t at = 0;
  if (value.is_undefined()) fail_undefined(value);
  if (!value.integer(at)) fail("slice indices must be integers or None");
  if (at < 0) at = at < -size ? -1 : at + size;
  if (at < 0) return backwards ? -1 : 0;
  return std::min(at, backwards ? size - 1 : size);
}

struct Steps {
  int64_t start, step, count;
};

Steps steps_of(const SliceBounds& bounds, int64_t size) {
  int64_t step = 1;
  if (!bounds.step.is_none()) step = to_integer(bounds.step, "slice step");
  if (step == 0) fail("slice step cannot be zero");
  const bool backwards = step < 0;
  const int64_t start = bound(bounds.start, size, backwards ? size - 1 : 0, backwards);
  const int64_t stop = bound(bounds.stop, size, backwards ? -1 : size, backwards);
  return {start, step, Range::count(start, stop, step)};
}

Value slice_text(Runtime& runtime, const Value& object, const Steps& steps) {
  const std::string& text = object.text()->bytes;
  runtime.budget.spend_bytes(text.size());
  if (steps.step == 1) {
    const size_t from = character_offset(text, steps.start);
    const std::string_view rest = std::string_view(text).substr(from);
    return runtime.text_like(object,
                             std::string(rest.substr(0, character_offset(rest, steps.count))));
  }
  std::vector<size_t> offsets;
  for (size_t at = 0; at < text.size(); at += character_bytes(text, at)) offsets.push_back(at);
  std::string out;
  for (int64_t i = 0; i < steps.count; ++i) {
    const size_t at = offsets[static_cast<size_t>(steps.start + i * steps.step)];
    out += text.substr(at, character_bytes(text, at));
  }
  return runtime.text_like(object, std::move(out));
}

}  // namespace

Value get_attribute(Runtime& runtime, const Value& object, std::string_view name) {
  if (object.is_undefined()) fail_undefined(object);
  if (auto found = type_attribute(runtime, object, name)) return *found;
  if (const Dict* dict = object.dict()) {
    if (const Value* found = dict->find(name)) return *found;
  }
  return missing_attribute(object, name);
}

Value get_item(Runtime& runtime, const Value& object, const Value& key) {
  if (object.is_undefined()) fail_undefined(object);
  if (auto found = subscript(runtime, object, key)) return *found;
  if (const Text* name = key.text()) {
    if (auto found = type_attribute(runtime, object, name->bytes)) return *found;
    return missing_attribute(object, name->bytes);
  }
  return undefined(described(object) + " has no element " + runtime.repr(key));
}

Value get_slice(Runtime& runtime, const Value& object, const SliceBounds& bounds) {
  if (object.is_undefined()) fail_undefined(object);
  const bool range = dynamic_cast<Range*>(object.object()) != nullptr;
  if (!object.text() && !object.sequence() && !range) {
    fail("'" + std::string(type_name(object)) + "' object is not subscriptable");
  }
  const Steps steps = steps_of(bounds, runtime.length(object));
  if (object.text()) return slice_text(runtime, object, steps);
  const SequenceRef all = runtime.iterate(object);
  std::vector<Value> items;
  items.reserve(static_cast<size_t>(steps.count));
  for (int64_t i = 0; i < steps.count; ++i) {
    items.push_back(all->items[static_cast<size_t>(steps.start + i * steps.step)]);
  }
  return all->kind == Sequence::Kind::list ? runtime.list(std::move(items))
                                           : runtime.tuple(std::move(items));
}

Value get_path(Runtime& runtime, Value object, const Value& path, const Value* fallback) {
  const auto step = [&](const Value& key) {
    object = get_item(runtime, object, key);
    if (fallback && object.is_undefined()) object = *fallback;
  };
  const Text* text = path.text();
  if (!text) {
    if (!path.is_none()) step(path);
    return object;
  }
  std::string_view rest = text->bytes;
  while (true) {
    const size_t dot = rest.find('.');
    const std::string_view part = rest.substr(0, dot);
    const bool number = !part.empty() && part.size() < 10 &&
                        part.find_first_not_of("0123456789") == std::string_view::npos;
    step(number ? Value(int64_t{std::stol(std::string(part))}) : runtime.text(std::string(part)));
    if (dot == std::string_view::npos) return object;
    rest.remove_prefix(dot + 1);
  }
}

}  // namespace octavo::jinja
