#pragma once

#include <string_view>

namespace octavo::serve {

// The chat page at "/": one HTML document that loads nothing else.
std::string_view web_page();

}  // namespace octavo::serve
