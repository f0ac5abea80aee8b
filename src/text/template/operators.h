#pragma once

#include <string_view>

#include "text/template/ast.h"
#include "text/template/value.h"

namespace octavo::jinja {

// Python's operators over values. All throw TemplateError for types that Python refuses, and for
// integers beyond 64 bits.
bool equal(Runtime& runtime, const Value& a, const Value& b);
bool less(Runtime& runtime, const Value& a, const Value& b);
bool compare(Runtime& runtime, CompareOp op, const Value& a, const Value& b);
bool contains(Runtime& runtime, const Value& container, const Value& item);
Value binary(Runtime& runtime, BinaryOp op, const Value& a, const Value& b);
Value signed_value(const Value& operand, bool negative);
// The integer of an int, bool, or fails naming what needs one.
int64_t to_integer(const Value& value, std::string_view what);

// Markup's escaping of &, <, >, " and '.
std::string escape_markup(std::string_view text);

}  // namespace octavo::jinja
