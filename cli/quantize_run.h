#pragma once

#include <string>
#include <vector>

#include "cli/quantize_options.h"
#include "octavo/quantize.h"
#include "quant/estimate.h"
#include "quant/validate.h"

namespace octavo::cli {

// What one run made.
struct QuantizeResult {
  Recipe recipe;
  QuantizeReport report;
};

// Quantizes as asked, with progress on stderr, and measures the result where that was asked for.
// Throws Error, those of a wrong request before any work.
QuantizeResult run_quantization(const QuantizeOptions& options);

// What a run would make and cost, found without doing it.
struct QuantizeDryRun {
  Recipe recipe;
  quant::CalibrationFacts calibration;
  quant::JobEstimate estimate;
  uint64_t free_memory_bytes = 0, free_disk_bytes = 0;
  std::vector<std::string> advice;
};
// All checks of a run, the calibration data read. Throws Error as the run would.
QuantizeDryRun dry_run(const QuantizeOptions& options);

// Means over layers of the change of a layer's output as a share of its update, and what plain
// rounding would make of it; over matrices of the change of the weights. Below 0: not measured.
struct MeanErrors {
  double layers = -1, rounding = -1, weights = -1;
};
MeanErrors mean_errors(const QuantizeReport& report);
// Bits a weight of the quantized matrices, scales and zeros not counted.
double mean_bits(const QuantizeReport& report);

// The figures of a result as JSON, without the matrices (quantization_report.json has them).
Json summary(const QuantizeOptions& options, const QuantizeResult& result);
Json summary(const QuantizeOptions& options, const QuantizeDryRun& plan);

}  // namespace octavo::cli
