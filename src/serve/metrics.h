#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>

#include "octavo/engine.h"
#include "serve/histogram.h"
#include "serve/recent_requests.h"

namespace octavo::serve {

// Figures of the server under the names, labels and buckets that dashboards for vLLM expect. Any
// thread.
class Metrics {
 public:
  Metrics(std::string model_name, int64_t max_model_len);

  // A request was taken in: prompts, each with n children.
  void accepted(int64_t n, int64_t max_tokens);
  void rejected(const std::string& reason);
  void prompt_done(int64_t prompt_tokens, int64_t cached_tokens);
  void first_token(double since_arrival_s);
  void next_tokens(double gap_s, int64_t count);
  void generated(int64_t tokens);

  struct Ending {
    RequestId id = 0;
    std::string reason = {};
    double e2e_s = 0, queue_s = 0, prefill_s = 0, decode_s = 0, preempted_s = 0;
    int64_t prompt_tokens = 0, generated_tokens = 0, cached_tokens = 0;
  };
  void ended(const Ending& ending);
  void step_seen(const EngineStats& stats);
  void http(const std::string& handler, const std::string& method, int status);

  // Seconds until a refused client may well be served, 1 .. 60.
  int retry_after_s(const EngineStats& stats) const;

  std::string text(const EngineStats& stats, const EngineOptions& options) const;

  // For the engine view: the latest requests, and latencies in finer steps than dashboards have.
  const RecentRequests& recent() const { return recent_; }
  const Histogram& fine_ttft() const { return fine_ttft_; }
  const Histogram& fine_itl() const { return fine_itl_; }

 private:
  void write_engine(const EngineStats& stats, const EngineOptions& options, std::string& out) const;
  void write_counters(const EngineStats& stats, std::string& out) const;
  void write_labelled(std::string& out) const;
  void write_histograms(std::string& out) const;

  const std::string labels_;
  Histogram ttft_, itl_, tpot_, e2e_, queue_, inference_, prefill_, decode_;
  Histogram prompt_, generation_, max_generation_, params_max_tokens_, computed_, iteration_, n_;
  Histogram fine_ttft_, fine_itl_;
  RecentRequests recent_;
  std::atomic<int64_t> prompt_tokens_{0}, generation_tokens_{0}, cached_tokens_{0};
  std::atomic<int64_t> seen_steps_{0};
  mutable std::mutex mutex_;  // guards the maps
  std::map<std::string, int64_t> success_, rejections_;
  std::map<std::array<std::string, 3>, int64_t> http_;  // handler, method, "2xx"
};

}  // namespace octavo::serve
