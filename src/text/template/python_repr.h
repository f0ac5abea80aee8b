#pragma once

#include <string>
#include <string_view>

namespace octavo::jinja {

// Python's repr of a float: the shortest text that reads back, "1e+16", "inf", "nan".
std::string float_repr(double value);
// Python's repr of a str, quotes included.
std::string text_repr(std::string_view text);

}  // namespace octavo::jinja
