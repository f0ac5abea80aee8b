#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "base/json_fwd.h"

namespace octavo {

struct JsonLimits {
  int max_depth = 64;
  size_t max_bytes = size_t{64} << 20;
  size_t max_keys = 4096;  // of one object; bounds the quadratic cost of ordered objects
};

// Parses one JSON document in UTF-8 under `limits`. Throws Error naming `where` for anything else:
// bad syntax, bad UTF-8, lone surrogates, numbers beyond double, too deep, too large. A duplicate
// key keeps the last value.
Json parse_json(std::string_view text, std::string_view where, const JsonLimits& limits = {});

// One line; bytes that are not UTF-8 become U+FFFD, so it never throws.
std::string to_line(const Json& value);

}  // namespace octavo
