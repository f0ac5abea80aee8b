#pragma once

#include "octavo/quantize.h"
#include "ops/ops.h"

namespace octavo::quant {

// The whole of quantize(), from the checks to the finished folder.
QuantizeReport run_job(const QuantizeJob& job, const Ops& ops, ThreadPool& pool,
                       const QuantizeProgress& progress);

}  // namespace octavo::quant
