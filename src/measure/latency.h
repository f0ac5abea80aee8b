#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/json_fwd.h"
#include "measure/bench_report.h"
#include "measure/machine.h"
#include "model/model.h"

namespace octavo::measure {

struct LatencyOptions {
  std::vector<int64_t> batch_sizes{1, 8}, input_lens{32, 512}, output_lens{64};
  int runs = 7, warm_ups = 1;
  int64_t max_batched_tokens = 2048;
  uint64_t seed = 0;
  std::function<void(int64_t done, int64_t all)> progress = {};
};

// A batch of equal requests, all submitted at once, through the engine.
struct LatencyPoint {
  int64_t batch = 0, input_len = 0, output_len = 0;
  std::vector<double> latencies =
      {};              // seconds of each run, from the first submission to the last token
  double ttft_s = 0;   // median over runs of the mean over the batch
  double token_s = 0;  // median time of a step in which every request decodes; 0: none
  // What such a step has to read: the weights, and keys and values half way through the answers.
  double step_bytes = 0;
  double read_rate = 0;  // bytes/s, median of measurements between the runs

  double decode_tokens_per_s() const { return static_cast<double>(batch) / token_s; }
  double prefill_tokens_per_s() const { return static_cast<double>(batch * input_len) / ttft_s; }
  double share_of_read() const { return step_bytes / token_s / read_rate; }
};

// Every combination that the model is long enough for.
std::vector<LatencyPoint> measure_latency(const std::shared_ptr<const Model>& model,
                                          const Machine& machine, const LatencyOptions& options);

// A list of points; the one point of a run of one carries vLLM's fields (avg_latency, latencies,
// percentiles) at the top as well.
Json to_json(const std::vector<LatencyPoint>& points);
void show(const std::vector<LatencyPoint>& points, BenchReport& report);

}  // namespace octavo::measure
