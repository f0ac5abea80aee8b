#pragma once

#include <optional>
#include <string>

#include "base/json_fwd.h"
#include "io/compressed_tensors.h"
#include "io/element_scales.h"

namespace octavo {

// What config.json's `quantization_config` says about how matrices are stored. Without the section
// all fields are empty: plain matrices.
struct Quantization {
  std::optional<CompressedTensors> packed;  // codes of a few bits
  ElementScales::Block block;               // of fp8 and int8 elements with scales beside them

  // Throws Error naming the field when the section asks for what is not supported.
  static Quantization parse(const Json& section, const std::string& where);
};

}  // namespace octavo
