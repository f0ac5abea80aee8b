#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <span>
#include <string>

#include "octavo/engine.h"
#include "serve/histogram.h"
#include "serve/recent_requests.h"

namespace octavo::serve {

// Figures of one model under the names, labels and buckets that dashboards for vLLM expect. Any
// thread.
class Metrics {
 public:
  Metrics(const std::string& model_name, int64_t max_model_len);

  // A request was taken in: prompts, each with n children.
  void accepted(int64_t n, int64_t max_tokens);
  void rejected(const std::string& reason);
  void prompt_done(int64_t prompt_tokens, int64_t cached_tokens, int64_t from_disk);
  void first_token(double since_arrival_s);
  void next_tokens(double gap_s, int64_t count);
  void generated(int64_t tokens);

  struct Ending {
    RequestId id = 0;
    std::string reason = {};
    double e2e_s = 0, queue_s = 0, prefill_s = 0, decode_s = 0, preempted_s = 0;
    int64_t prompt_tokens = 0, generated_tokens = 0, cached_tokens = 0, preemptions = 0;
  };
  void ended(const Ending& ending);

  // For the engine view: the latest requests, and latencies in finer steps than dashboards have.
  const RecentRequests& recent() const { return recent_; }
  const Histogram& fine_ttft() const { return fine_ttft_; }
  const Histogram& fine_itl() const { return fine_itl_; }

  double mean_request_s() const { return e2e_.mean(); }

 private:
  friend class MetricsWriter;

  const std::string labels_;  // model_name="...",engine="0"
  Histogram ttft_, itl_, tpot_, e2e_, queue_, inference_, prefill_, decode_;
  Histogram prompt_, generation_, max_generation_, params_max_tokens_, computed_, n_, preemptions_;
  Histogram fine_ttft_, fine_itl_;
  RecentRequests recent_;
  std::atomic<int64_t> prompt_tokens_{0}, generation_tokens_{0}, cached_tokens_{0}, disk_tokens_{0};
  mutable std::mutex mutex_;  // guards the maps
  std::map<std::string, int64_t> success_, rejections_;
};

// The `reason` of vllm:admission_rejections.
const char* rejection_name(Refused refused);

// What is written of one model; `options` is null when it is not in memory.
struct MetricsSource {
  const Metrics* metrics = nullptr;
  const EngineStats* stats = nullptr;
  const EngineOptions* options = nullptr;
};

// All models, family by family, as Prometheus reads it (text format 0.0.4).
std::string metrics_text(std::span<const MetricsSource> sources);

}  // namespace octavo::serve
