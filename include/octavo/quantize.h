#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "octavo/recipe.h"

namespace octavo {

class ThreadPool;

// What became of one matrix.
struct MatrixReport {
  std::string name;
  int64_t out = 0, in = 0;
  int bits = 0;               // 0: kept dense
  double relative_error = 0;  // ‖W - Ŵ‖ / ‖W‖
  double largest_error = 0;   // max |w - ŵ|
};

struct QuantizeReport {
  std::vector<MatrixReport> matrices;
  uint64_t bytes_before = 0, bytes_after = 0;
  double seconds = 0;
};

struct QuantizeProgress {
  std::function<void(const std::string& tensor, int64_t done_bytes, int64_t all_bytes)>
      report;  // may be empty
};

// Quantizes the checkpoint in `model` into `out` (compressed-tensors, pack-quantized), slice by
// slice: memory for one slice a thread, whatever the model's size; the same bytes for any number of
// threads. `out` appears when it is whole, with config, tokenizer files and
// quantization_report.json and .html. Throws Error before any work for a recipe that does not fit
// the model, naming the nearest one that does.
QuantizeReport quantize(const std::filesystem::path& model, const std::filesystem::path& out,
                        const Recipe& recipe, ThreadPool& pool,
                        const QuantizeProgress& progress = {});

}  // namespace octavo
