#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "base/json_fwd.h"
#include "measure/bench_report.h"
#include "measure/load/prompts.h"
#include "measure/machine.h"
#include "model/model.h"

namespace octavo::measure {

struct OfflineOptions {
  int64_t max_num_seqs = 256, max_batched_tokens = 2048;
  int64_t max_model_len = 0;  // 0: as long as the prompts need
  bool prefix_caching = true;
  std::function<void(int64_t done)> progress = {};
};

// Many requests given to the engine at once.
struct OfflineRun {
  double seconds = 0;
  int64_t requests = 0, input_tokens = 0, output_tokens = 0, cached_tokens = 0, steps = 0;
  int64_t preemptions = 0;
};

// REQUIRES: prompts with ids. Throws Error where the engine refuses one.
OfflineRun run_offline(const std::shared_ptr<const Model>& model, ThreadPool& pool,
                       const std::vector<LoadPrompt>& prompts, const OfflineOptions& options);

// vLLM's fields (elapsed_time, num_requests, total_num_tokens, requests_per_second,
// tokens_per_second) and ours.
Json to_json(const OfflineRun& run);
void show(const OfflineRun& run, BenchReport& report);

}  // namespace octavo::measure
