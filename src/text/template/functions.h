#pragma once

#include <optional>
#include <string_view>

#include "text/template/value.h"

namespace octavo::jinja {

// The functions that every template finds by name: range, dict, namespace, raise_exception,
// strftime_now, cycler, joiner. Empty when there is none of that name.
std::optional<Value> find_function(std::string_view name);

}  // namespace octavo::jinja
