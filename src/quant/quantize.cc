#include "octavo/quantize.h"

#include "quant/job.h"

namespace octavo {

QuantizeReport quantize(const QuantizeJob& job, const Ops& ops, ThreadPool& pool,
                        const QuantizeProgress& progress) {
  return quant::run_job(job, ops, pool, progress);
}

}  // namespace octavo
