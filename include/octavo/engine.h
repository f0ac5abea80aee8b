#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "octavo/tokens.h"

namespace octavo {

class Model;
class ThreadPool;

// How the next token is chosen. Defaults mean "no effect". Ids are below the model's vocabulary
// (logits width) and numbers in their ranges: validate() in engine/request.h says so, and
// Engine::submit refuses what does not hold. Order: allowed ids, bad words, min_tokens mask, logit
// bias, penalties, temperature, min_p, top_k, top_p, draw.
struct SamplingParams {
  float temperature = 1, top_p = 1, min_p = 0;
  int32_t top_k = 0;  // 0 or -1: off
  float presence_penalty = 0, frequency_penalty = 0, repetition_penalty = 1;
  std::optional<int64_t> seed;
  int64_t max_tokens = 16, min_tokens = 0;
  bool ignore_eos = false;
  std::vector<TokenId> stop_token_ids, allowed_token_ids;
  std::vector<std::pair<TokenId, float>> logit_bias;
  std::vector<std::vector<TokenId>> bad_words;  // sequences that must not be completed
  int32_t logprobs = -1;         // top alternatives beside the sampled token's own; -1: none wanted
  int32_t prompt_logprobs = -1;  // likewise for each prompt token
};

struct TokenLogprob {
  TokenId id = 0;
  float logprob = 0;  // of the unmodified distribution (vLLM's raw_logprobs)
  int32_t rank = 0;   // 1: the most likely
};

// One position: the token that is there, then the most likely ones in order.
struct PositionLogprobs {
  TokenLogprob chosen;
  std::vector<TokenLogprob> top;
};

enum class Finish : uint8_t { none, stop, length, abort, error, timeout, rejected };

// Progress of one request, delivered in order on the engine's thread. The last one has finish !=
// none.
struct Event {
  std::vector<TokenId> tokens;             // new since the last event
  std::vector<PositionLogprobs> logprobs;  // one a token, if asked
  std::vector<PositionLogprobs>
      prompt_logprobs;  // on the first event, if asked; [0] stands for the first token and is empty
  Finish finish = Finish::none;
  std::optional<TokenId> stop_token;  // the stop_token_ids entry (not EOS) that ended it
  std::string reason;                 // rejected, error: what the client did wrong or what failed
  int64_t cached_tokens = 0;          // prompt tokens found in the prefix cache
  double queue_s = 0, prefill_s = 0, decode_s = 0;  // on the last event
  int64_t preemptions = 0;
  std::string param;  // rejected: the field of Request or SamplingParams at fault, if it is one
  bool overloaded = false;  // rejected: nothing wrong with the request; try again later
};

using RequestId = uint64_t;  // made by the engine only

struct Request {
  std::vector<TokenId> prompt;  // 1 .. max_model_len - 1 tokens
  SamplingParams sampling = {};
  int64_t priority = 0;         // lower runs earlier under the priority policy
  double deadline_s = 0;        // from submission; 0: none
  std::string cache_salt = {};  // requests with different salts share no cached prefix
};

// Must return quickly and must not call back into the engine, except abort().
using EventSink = std::function<void(const Event&)>;

struct EngineOptions {
  int64_t max_model_len = 0;  // 0: the model's own
  int64_t max_num_seqs = 256;
  int64_t max_num_batched_tokens = 2048;
  int64_t kv_cache_bytes = 0;  // 0: a quarter of the free memory, at most what max_num_seqs can use
  int64_t num_blocks = 0;      // overrides kv_cache_bytes
  int64_t block_tokens = 32;   // multiple of 16
  bool prefix_caching = true;
  bool priority_scheduling = false;  // else first come, first served
  int64_t max_queued_requests = 0;   // submit refuses above this many in flight; 0: no bound
  std::vector<TokenId> eos = {};     // from generation_config.json
};

struct EngineStats {
  int64_t running = 0, waiting = 0, blocks_total = 0, blocks_used = 0;
  int64_t steps = 0, preemptions = 0, prompt_tokens = 0, generation_tokens = 0;
  int64_t prefix_queries_tokens = 0, prefix_hits_tokens = 0;
  int64_t last_batch_tokens = 0;
};

// Many requests over one model: continuous batching over a paged cache. submit, abort, stats and
// drain may be called from any thread; everything else of the engine lives on one thread, started
// by start(), or the caller's own by run_until_idle().
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

  EngineStats stats() const;
  const EngineOptions& options() const;  // with the zeros filled in
  const Model& model() const;
  // Seconds since the engine thread last finished a step while it had work: a watchdog's question.
  double stalled_s() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace octavo
