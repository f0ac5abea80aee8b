#pragma once

#include <string>
#include <string_view>

#include "text/template/ast.h"

namespace octavo::jinja {

// Throws TemplateError naming the line for anything that Jinja would not compile, and for
// templates that nest too deep.
Body parse(std::string_view source);

}  // namespace octavo::jinja
