#pragma once

#include <string>
#include <string_view>

#include "base/json_fwd.h"

namespace octavo::cli {

// The YAML that configurations of vLLM are written in: `key: value` lines, lists of `- value` lines
// under a key, comments. Values are JSON where they parse as it, else text. Throws Error naming
// `where` and the line for all else.
Json parse_yaml_subset(std::string_view text, const std::string& where);

}  // namespace octavo::cli
