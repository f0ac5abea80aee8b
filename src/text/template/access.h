#pragma once

#include <string_view>

#include "text/template/value.h"

namespace octavo::jinja {

// The sandbox's `object.name`: a method of the type, else an item of that name, else undefined.
// Methods that would change their object, and internal names, are undefined values whose use fails.
Value get_attribute(Runtime& runtime, const Value& object, std::string_view name);
// The sandbox's `object[key]`: an item, else for a text key an attribute, else undefined.
Value get_item(Runtime& runtime, const Value& object, const Value& key);
// `object[start:stop:step]`; undefined or None where a bound is absent.
struct SliceBounds {
  Value start, stop, step;
};
Value get_slice(Runtime& runtime, const Value& object, const SliceBounds& bounds);
// "a.b.0" step by step, as the `attribute` of filters has it; `fallback` replaces what is missing.
Value get_path(Runtime& runtime, Value object, const Value& path, const Value* fallback = nullptr);

}  // namespace octavo::jinja
