#pragma once

#include "base/json_fwd.h"
#include "cli/model_options.h"
#include "model/source.h"

namespace octavo::cli {

// What loading would do here: {"formats": {"bf16": elements, ...}, "weights_bytes": resident,
// "missing": lines, "unused": names}. Reads headers only.
Json describe_load(const ModelSource& source, const ModelOptions& options);

// Bytes that a model needs: weights as they are kept, KV cache for 1000 tokens and for one sequence
// of the model's full length, and what the machine has.
Json describe_memory(const ModelSpec& spec, const Json& load);

// The rows of the two for people.
void print_load(const Json& load);
void print_memory(const Json& memory);

}  // namespace octavo::cli
