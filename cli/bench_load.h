#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cli/bench_options.h"
#include "measure/load/arrivals.h"
#include "measure/load/load_report.h"
#include "measure/load/prompts.h"

namespace octavo::cli {

// `bench serve` and `bench throughput`, under vLLM's names.
struct BenchLoadOptions {
  std::string backend = "openai", base_url, host = "127.0.0.1", endpoint, name, api_key, label;
  int port = 0;
  std::vector<std::string> server_args, headers, metadata, goodput;
  std::string extra_body;
  std::string dataset = "random", dataset_path;
  measure::PromptOptions prompts;
  std::string request_rate = "inf", ramp_up;
  double burstiness = 1, start_rps = 0, end_rps = 0, timeout_s = 600;
  int64_t max_concurrency = 0, warm_ups = 0, logprobs = -1, max_num_seqs = 256;
  std::vector<std::string> metrics{"ttft", "tpot", "itl"};
  std::vector<double> percentiles{99};
  bool ignore_eos = false, save_result = false, save_detailed = false, prefix_caching = true;
  std::string result_dir, result_filename;
};

void add_bench_load(CLI::App& app, BenchLoadOptions& options);

void bench_throughput(const BenchOptions& options, BenchResult result);
void bench_serve(const BenchOptions& options, BenchResult result);

}  // namespace octavo::cli
