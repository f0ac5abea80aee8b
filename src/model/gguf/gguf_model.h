#pragma once

#include <filesystem>

#include "io/checkpoint.h"
#include "io/gguf_metadata.h"
#include "model/config.h"
#include "model/gguf/architectures.h"
#include "model/spec.h"

namespace octavo {

// The row of this file's architecture. Throws Error naming it where there is none.
const GgufArchitecture& gguf_architecture(const GgufMetadata& metadata);

// The config.json that a GGUF file's metadata (and its few tensors of rope factors) amount to, in
// the fields that the families read. Throws Error naming file and key.
Config gguf_config(const std::filesystem::path& path, const GgufMetadata& metadata,
                   const Checkpoint& checkpoint);

// Fits a family's spec to what lies in the file: the names of GGUF, which are the same for every
// family, fused or separate as they are there; biases and a head where there are any; Gemma's norms
// with their 1 added already; the order of rotated pairs.
void fit_to_gguf(ModelSpec& spec, const GgufArchitecture& architecture,
                 const Checkpoint& checkpoint);

}  // namespace octavo
