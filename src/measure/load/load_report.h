#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/json_fwd.h"
#include "measure/bench_report.h"
#include "measure/load/generator.h"

namespace octavo::measure {

// What a request has to keep to count as good, in milliseconds.
struct Goodput {
  std::optional<double> ttft_ms, tpot_ms, e2el_ms;
  bool empty() const { return !ttft_ms && !tpot_ms && !e2el_ms; }
};
// From "ttft:500", "tpot:50", "e2el:2000". Throws Error for anything else.
Goodput parse_goodput(const std::vector<std::string>& words);

struct MetricOptions {
  Goodput goodput;
  std::vector<std::string> metrics{"ttft", "tpot", "itl"};  // whose percentiles are shown; "e2el"
  std::vector<double> percentiles{99};
};

// One of the times of requests, in milliseconds.
struct Metric {
  std::string name;   // "ttft"
  std::string title;  // "Time to First Token"
  std::vector<double> ms;
};

struct LoadSummary {
  double seconds = 0;
  int64_t completed = 0, failed = 0, input_tokens = 0, output_tokens = 0, good = 0;
  double max_output_tokens_per_s = 0;  // of any whole second
  int64_t max_concurrent = 0;
  std::vector<Metric> metrics;  // ttft, tpot, itl, e2el
  // By second of the load: requests under way, tokens put out.
  std::vector<double> concurrent, tokens;
};

LoadSummary summarize(const LoadRun& run, const Goodput& goodput);

// The fields of `vllm bench serve`: totals, throughputs, and mean, median, std and percentiles of
// each metric asked for.
Json to_json(const LoadSummary& summary, const MetricOptions& options);
// input_lens, output_lens, ttfts, itls, start_times, generated_texts, errors.
Json details(const LoadRun& run);
void show(const LoadSummary& summary, const MetricOptions& options, BenchReport& report);

}  // namespace octavo::measure
