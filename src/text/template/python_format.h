#pragma once

#include <string>
#include <string_view>

#include "text/template/value.h"

namespace octavo::jinja {

// Python's `format % values`. Throws TemplateError where Python raises.
Value format_percent(Runtime& runtime, const Value& format, const Value& values);
// Python's str.format, attributes and items under the sandbox's rules.
Value format_braces(Runtime& runtime, const Value& format, const Args& args);
// A float as printf prints it with one of e, f, g (and upper case), nan and inf as Python names
// them. REQUIRES: 0 <= precision.
std::string format_float(double value, char type, int precision, bool alternate);

}  // namespace octavo::jinja
