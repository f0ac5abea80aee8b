#pragma once

#include <string>

#include "cli/model_options.h"
#include "engine/memory_plan.h"

namespace octavo::cli {

// What a server of this model will hold, found by reading headers alone. Throws Error.
MemoryPlan memory_plan(const ModelOptions& model, const EngineOptions& engine);

// One line of figures, and the rows of `serve --dry-run` on stdout.
std::string memory_line(const MemoryPlan& plan);
void print_memory_plan(const std::string& name, const MemoryPlan& plan);

}  // namespace octavo::cli
