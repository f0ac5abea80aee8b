#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "octavo/tokens.h"

namespace octavo {

// Ends a request whose output repeats itself: the last `min_count` runs of some pattern of
// `min_pattern_size` to `max_pattern_size` tokens are equal. All zero: off.
struct RepetitionDetection {
  int32_t max_pattern_size = 0, min_pattern_size = 0, min_count = 0;
  bool on() const { return max_pattern_size > 0; }
};

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
  RepetitionDetection repetition_detection = {};
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

enum class Finish : uint8_t { none, stop, length, abort, error, timeout, rejected, repetition };

// Why a request was not taken in. `tenant` (HTTP 429) and `engine` (503): a limit on load is
// reached; `draining`: the engine takes no more (503).
enum class Refused : uint8_t { no, bad_request, tenant, engine, draining };

// A limit on load that is reached.
struct Overload {
  Refused scope = Refused::engine;
  std::string limit;         // the option's name: "max-num-queued-reqs", ...
  std::string reason;        // a sentence for the client
  double retry_after_s = 1;  // work ahead over the measured rate, 1 to 60
};

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
  int64_t cached_disk_tokens = 0;     // of them, those that came from its directory
  // On the last event: time in each state, `queue_s` until first scheduled, `preempted_s` after.
  double queue_s = 0, prefill_s = 0, decode_s = 0, preempted_s = 0;
  int64_t preemptions = 0;
  std::string param;  // rejected: the field of Request or SamplingParams at fault, if it is one
  bool overloaded = false;  // rejected: nothing wrong with the request; try again later
  Refused refused = Refused::no;
  std::string limit;         // overloaded: the option that says so
  double retry_after_s = 0;  // overloaded
};

using RequestId = uint64_t;  // made by the engine only

struct Request {
  std::vector<TokenId> prompt;  // 1 .. max_model_len - 1 tokens
  SamplingParams sampling = {};
  int64_t priority = 0;         // lower runs earlier under the priority policy
  double deadline_s = 0;        // from submission; 0: none. Ends with Finish::timeout
  std::string cache_salt = {};  // requests with different salts share no cached prefix
  std::string tenant = {};      // among whom the engine is fair: an API key's name, a user
};

// Must return quickly. May call submit() and abort() of the engine, nothing else of it.
using EventSink = std::function<void(const Event&)>;

}  // namespace octavo
