#pragma once

#include <optional>
#include <string_view>

#include "text/template/value.h"

namespace octavo::jinja {

enum class MethodAccess { none, allowed, refused };

// Whether Python's type has that attribute, and whether the immutable sandbox lets it through.
MethodAccess method_access(const Value& self, std::string_view name);
// REQUIRES: method_access(self, name) == allowed. Throws TemplateError as Python raises.
Value call_method(Runtime& runtime, const Value& self, std::string_view name, const Args& args);

using Method = Value (*)(Runtime& runtime, const Value& self, const Args& args);
// Null when strings, or lists, tuples and dicts, have no such method.
Method find_text_method(std::string_view name);
Method find_container_method(const Value& self, std::string_view name);

}  // namespace octavo::jinja
