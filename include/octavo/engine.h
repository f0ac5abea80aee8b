#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "octavo/engine_stats.h"
#include "octavo/request.h"
#include "octavo/tokens.h"

namespace octavo {

class Model;
class ThreadPool;

// What one tenant may have at a time; 0: no bound of its own.
struct TenantLimits {
  int64_t max_running = 0;
  int64_t max_queued_requests = 0, max_queued_tokens = 0;  // as EngineOptions means them
  double weight = 1;  // of two backlogged tenants, one with weight 2 is served twice the tokens
};

// The prefix cache across restarts. Files of another model, kernel table, cache type or layout are
// left alone or removed, damaged ones are removed and counted; none of them is ever an error.
struct PrefixCacheFiles {
  std::string directory;  // empty: none
  int64_t max_bytes = int64_t{4} << 30;
  // Needed with a directory: config.json as it was read, and whatever else decides what the model
  // computes besides its weights, kernels and the cache's layout, which the engine adds.
  std::string model;
  double write_bytes_per_s = 64e6;  // of the writer in the background
};

struct EngineOptions {
  int64_t max_model_len = 0;  // 0: the model's own
  int64_t max_num_seqs = 256;
  int64_t max_num_batched_tokens = 2048;
  int64_t kv_cache_bytes = 0;  // 0: a quarter of the free memory, at most what max_num_seqs can use
  int64_t num_blocks = 0;      // overrides kv_cache_bytes
  int64_t block_tokens = 32;   // multiple of 16
  bool prefix_caching = true;
  bool priority_scheduling = false;  // else first come, first served
  // submit refuses above these; 0: no bound. Requests: waiting and running. Tokens: of prompts
  // whose first token is not out. A single request is always taken when nothing else is there.
  int64_t max_queued_requests = 2048;
  int64_t max_queued_tokens = int64_t{1} << 20;
  TenantLimits tenant_limits = {};  // of tenants that `tenants` does not name
  std::vector<std::pair<std::string, TenantLimits>> tenants = {};
  // A step takes only as many rows of prompts as fit in this time beside its decodes at the
  // measured rate (never less than 16); 0: as many as max_num_batched_tokens allows.
  double step_target_s = 0.5;
  PrefixCacheFiles prefix_files = {};
  std::vector<TokenId> eos = {};  // from generation_config.json
};

// Many requests over one model: continuous batching over a paged cache. submit, abort, stats,
// snapshot and drain may be called from any thread; everything else of the engine lives on one
// thread, started by start(), or the caller's own by run_until_idle().
class Engine {
 public:
  // Reserves the cache. Throws Error when not even one request of max_model_len fits.
  Engine(std::shared_ptr<const Model> model, ThreadPool& pool, EngineOptions options);
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  void start();           // engine thread; idle: sleeps, uses no CPU
  void run_until_idle();  // without start(): works in the caller until nothing is left

  // The sink gets every event of the request, at least one with finish != none, even when it is
  // refused.
  RequestId submit(Request request, EventSink sink);
  void abort(RequestId id);  // freed within one step; unknown ids are ignored

  // No new requests; returns when the running ones are done or `timeout_s` is over, aborting what
  // is left.
  void drain(double timeout_s);

  // Whether so many more requests of a tenant would be refused for load now, and why. submit()
  // asks again by itself; this is for whoever must know before it answers.
  std::optional<Overload> overload(const std::string& tenant, int64_t requests,
                                   int64_t prompt_tokens) const;

  // Forgets the cached prefixes, those on disk too. With `keep`, false and nothing done when
  // requests run; with `preempt`, those are set back and computed again.
  enum class Running : uint8_t { keep, preempt };
  bool reset_prefix_cache(Running running);

  EngineStats stats() const;
  // What goes on, as of the last step or up to `wait_s` later; for people, not for each step.
  EngineSnapshot snapshot(double wait_s = 0.2) const;
  const EngineOptions& options() const;  // with the zeros filled in
  const Model& model() const;
  // Seconds since the engine thread last finished a step while it had work: a watchdog's question.
  double stalled_s() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace octavo
