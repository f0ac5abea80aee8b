#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace octavo::tokenizer {

// The bytes; empty for characters outside the standard alphabet. Padding ends the text and may be
// missing.
std::optional<std::string> decoded_base64(std::string_view text);

}  // namespace octavo::tokenizer
