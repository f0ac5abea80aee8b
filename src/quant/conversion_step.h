#pragma once

#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "io/safetensors.h"

namespace octavo::quant {

// Some tensors of a checkpoint to be written, and what gives their bytes.
struct ConversionStep {
  // Bytes of a tensor from `offset` on.
  using Write = std::function<void(std::string_view tensor, uint64_t offset,
                                   std::span<const std::byte> bytes)>;
  std::vector<TensorPlan> tensors;
  std::function<void(const Write&)> run;
};

}  // namespace octavo::quant
