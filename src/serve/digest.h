#pragma once

#include <string>
#include <string_view>

namespace octavo::serve {

// SHA-256, 64 characters.
std::string sha256_hex(std::string_view bytes);

}  // namespace octavo::serve
