#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "base/thread_pool.h"
#include "octavo/recipe.h"
#include "tensor/dtype.h"

namespace octavo::quant {

struct ConversionOptions {
  // Of a dense result: every float tensor becomes this. Empty: tensors stay as they are, quantized
  // matrices become the model's own type.
  std::optional<DType> dtype = {};
  uint64_t shard_bytes = uint64_t{4} << 30;  // of a file of weights
  std::function<void(int64_t done_bytes, int64_t all_bytes)> progress = {};
};

struct ConversionReport {
  int64_t matrices = 0;  // converted
  int64_t bytes_before = 0, bytes_after = 0;
  double seconds = 0;
};

// The quantized checkpoint MODEL as a dense one of the same values, rounded to the type asked for:
// weights as safetensors, config.json without its quantization section, everything else copied. OUT
// appears when it is whole. Needs a layer's matrix at a time. Throws Error naming tensor or field.
ConversionReport dequantize(const std::filesystem::path& model, const std::filesystem::path& out,
                            ThreadPool& pool, const ConversionOptions& options);

// The quantized checkpoint MODEL in the layout of `format`, with the same codes, scales and zeros
// (AWQ's gemv_fast keeps products of the latter, rounded; that is logged). Throws Error with the
// reason where the layout cannot hold them.
ConversionReport export_layout(const std::filesystem::path& model, const std::filesystem::path& out,
                               QuantFormat format, ThreadPool& pool,
                               const ConversionOptions& options);

}  // namespace octavo::quant
