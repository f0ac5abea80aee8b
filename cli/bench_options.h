#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json_fwd.h"
#include "cli/model_options.h"
#include "measure/bench_report.h"
#include "measure/machine.h"

namespace octavo::cli {

// What `octavo bench` was asked for. Flags are shared by the measurements where they mean the same.
struct BenchOptions {
  std::string what;
  ModelOptions model;
  int runs = 7, warm_ups = 1;
  std::vector<int64_t> rows{1, 8, 32, 512};
  std::vector<int64_t> batch_sizes{1, 8}, input_lens{32, 512}, output_lens{64};
  int64_t max_batched_tokens = 2048;
  int64_t memory_mb = 1024;  // that limits are read from
  bool json = false;
  std::string html, output_json;
};

// A measurement's result: a JSON document, and what is shown of it.
struct BenchResult {
  Json& json;
  measure::BenchReport& report;
};

// The limits of this machine for the model's kernels on `pool`. Its memory is at most an eighth of
// what is free.
measure::Machine bench_machine(const BenchOptions& options, const Ops& ops, ThreadPool& pool);
Json describe(const measure::Machine& machine);

void bench_kernels(const BenchOptions& options, BenchResult result);
void bench_layers(const BenchOptions& options, BenchResult result);
void bench_latency(const BenchOptions& options, BenchResult result);
void bench_memory(const BenchOptions& options, BenchResult result);

}  // namespace octavo::cli
