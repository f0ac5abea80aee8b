#pragma once

#include <string>

#include "cli/quantize_options.h"
#include "octavo/quantize.h"

namespace octavo::cli {

// What one run made.
struct QuantizeResult {
  Recipe recipe;
  QuantizeReport report;
};

// Quantizes as asked, with progress on stderr, and measures the result where that was asked for.
// Throws Error, those of a wrong request before any work.
QuantizeResult run_quantization(const QuantizeOptions& options);

// Mean of the matrices' errors: of outputs where they were measured, else of weights.
double mean_error(const QuantizeReport& report);
// Bits a weight of the quantized matrices, scales and zeros not counted.
double mean_bits(const QuantizeReport& report);

// The figures of a result as JSON, without the matrices (quantization_report.json has them).
Json summary(const QuantizeOptions& options, const QuantizeResult& result);

}  // namespace octavo::cli
