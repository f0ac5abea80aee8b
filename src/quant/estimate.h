#pragma once

#include <cstdint>

#include "ops/ops.h"
#include "quant/plan.h"
#include "quant/validate.h"

namespace octavo::quant {

// What a job would make and cost.
struct JobEstimate {
  int64_t matrices = 0, dense = 0;             // quantized ones; those that stay dense
  double mean_bits = 0;                        // of the quantized weights, scales not counted
  uint64_t bytes_before = 0, bytes_after = 0;  // of tensors; exact but for a bit budget
  uint64_t memory_bytes = 0, disk_bytes = 0;   // at the peak; disk: OUT and what lies beside it
  double seconds = 0;                          // within a factor of two, on an idle machine
};

struct Machine {
  double flops = 0;           // of dense float products, a second
  uint64_t memory_bytes = 0;  // that the job may use for activations
};

// Takes a tenth of a second to multiply.
double measure_flops(Queue& queue, const Ops& ops);

// From the plan's shapes alone.
JobEstimate estimate_job(const ModelSource& source, const Recipe& recipe, const Plan& plan,
                         const CalibrationFacts& calibration, const Machine& machine);

}  // namespace octavo::quant
