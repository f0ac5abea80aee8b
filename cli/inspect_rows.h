#pragma once

#include <string>

#include "base/json_fwd.h"

namespace octavo::cli {

// "KEY             VALUE" on stdout; an empty key goes on with the row above.
void print_row(const std::string& key, const std::string& value);
// "1.50 MiB"
std::string mebibytes(const Json& bytes);

}  // namespace octavo::cli
