#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "base/json_fwd.h"
#include "measure/load/prompts.h"

namespace octavo::measure {

enum class Endpoint : uint8_t { completions, chat };

// How requests are written and sent.
struct LoadOptions {
  std::string url;   // http://host:port
  std::string path;  // "/v1/completions"
  Endpoint endpoint = Endpoint::completions;
  std::string model;            // as the server calls it
  std::string api_key;          // empty: none
  int64_t max_concurrency = 0;  // 0: no bound
  bool ignore_eos = false;
  int64_t logprobs = -1;
  double timeout_s = 600;  // without a byte
  std::vector<std::pair<std::string, std::string>> headers = {};
  Json* extra_body = nullptr;  // merged into every request
  std::function<void(int64_t done, int64_t failed)> progress = {};
  std::function<bool()> stop = {};
};

// What became of a request; times in seconds.
struct LoadResult {
  bool success = false;
  std::string text, error;
  int64_t input_tokens = 0, output_tokens = 0;
  double start_s = 0;                // after the load began
  double ttft_s = 0, latency_s = 0;  // to the last token
  std::vector<double> itl_s;         // between tokens
};

// The body of a request, in the format that vLLM's own load generator sends.
Json request_body(const LoadPrompt& prompt, const LoadOptions& options);

// Sends every prompt at its time (seconds after the first), at most max_concurrency at once, and
// waits for all. Results are in the order of the prompts; those never sent because of `stop` have
// an error.
struct LoadRun {
  std::vector<LoadResult> results;
  double seconds = 0;
};
LoadRun run_load(const std::vector<LoadPrompt>& prompts, const std::vector<double>& times,
                 const LoadOptions& options);

// One request, before the load: throws Error where the server cannot answer it.
void check_server(const LoadPrompt& prompt, const LoadOptions& options);

// The name of the first model that the server offers. Throws Error where there is none.
std::string served_model(const LoadOptions& options);

}  // namespace octavo::measure
