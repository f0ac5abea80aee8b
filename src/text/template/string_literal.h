#pragma once

#include <string>
#include <string_view>

namespace octavo::jinja {

// The text of a Python string literal's inside, escapes resolved. Throws TemplateError at `line`.
std::string unescape(std::string_view inside, int line);

}  // namespace octavo::jinja
