#pragma once

#include "base/json_fwd.h"
#include "model/spec.h"

namespace octavo::cli {

// What is around the layers and how each layer is wired, a line each: {"embedding": "...", "layer
// 0-11": "x += attention(rms x); x += mlp(rms x)", "final_norm": ..., "head": ...}.
Json describe_spec(const ModelSpec& spec);

}  // namespace octavo::cli
