#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/json_fwd.h"
#include "measure/bench_report.h"
#include "measure/machine.h"
#include "model/model.h"

namespace octavo::measure {

struct KernelOptions {
  std::vector<int64_t> rows{1, 8, 32, 512};
  int runs = 7;
  std::function<void(int64_t done, int64_t all)> progress = {};
};

// One product of the walk, or those of one call (q, k and v), at one number of rows.
struct KernelTime {
  std::string product, format;  // "q+k+v", "int4 g128"
  int64_t out = 0, in = 0, rows = 0;
  double weight_bytes = 0;
  double seconds = 0;
  double read_rate = 0;  // bytes/s of a read loop over the same weights' memory
  double peak = 0;       // operations/s of `unit`
  std::string unit;

  double bytes_per_s() const { return weight_bytes / seconds; }
  double operations_per_s() const {
    return 2.0 * static_cast<double>(rows) * static_cast<double>(out) * static_cast<double>(in) /
           seconds;
  }
  double share_of_read() const { return bytes_per_s() / read_rate; }
  double share_of_peak() const { return peak > 0 ? operations_per_s() / peak : 0; }
};

// Every different call of the model's products at every number of rows. Few rows go over as many
// copies of the weights as machine.memory holds, so that none is found in a cache (its content is
// overwritten). Limits are measured between the runs.
std::vector<KernelTime> measure_kernels(const Model& model, Machine& machine,
                                        const KernelOptions& options);

Json to_json(const std::vector<KernelTime>& times);
void show(const std::vector<KernelTime>& times, BenchReport& report);

}  // namespace octavo::measure
