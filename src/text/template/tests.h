#pragma once

#include <string_view>

#include "text/template/value.h"

namespace octavo::jinja {

using Test = bool (*)(Runtime& runtime, const Value& self, const Args& args);

// Jinja's test of that name (`x is NAME`); null when there is none.
Test find_test(std::string_view name);

}  // namespace octavo::jinja
