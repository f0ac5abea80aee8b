#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/json_fwd.h"
#include "tensor/dtype.h"

namespace octavo {

// The `quantization_config` of a compressed-tensors checkpoint in format pack-quantized (W4A16,
// W8A16): codes of `bits` in a little-endian bit string along the inputs of each row, one scale and
// zero a group. One group of settings; matrices in `ignore` are dense.
struct CompressedTensors {
  int bits = 0;
  int64_t group_size = 0;  // 0: one group a row
  bool symmetric = true;
  std::vector<std::string> ignore;

  // Throws Error naming the field when the section is of another method or asks for what is not
  // supported.
  static CompressedTensors parse(const Json& section, const std::string& where);
  Json to_json() const;
  bool operator==(const CompressedTensors&) const = default;
};

}  // namespace octavo
