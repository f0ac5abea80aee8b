#pragma once

#include <filesystem>
#include <vector>

#include "cli/quantize_options.h"

namespace octavo::cli {

// Runs one after another; one that fails does not end the others. Prints a table (or one JSON
// object) of all results and writes the table as `html`. Status 1 where one failed.
int run_batch(const std::vector<QuantizeOptions>& runs, const std::filesystem::path& html,
              bool json);

}  // namespace octavo::cli
