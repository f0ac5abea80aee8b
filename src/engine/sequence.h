#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "cache/kv_cache.h"
#include "engine/sampler.h"
#include "engine/tenant.h"
#include "octavo/engine.h"

namespace octavo {

// The engine's side of a request.
//
//   waiting -> prefill -> decode        prefill, decode -> preempted -> prefill
//
// and each of them -> finished. In `prefill` it waits for the logits of its last token: of its
// prompt, or after a preemption of all its tokens.
class Sequence {
 public:
  using State = RequestState;

  struct Times {
    double arrival_s = 0, deadline_s = 0;  // deadline 0: none
    double scheduled_s = -1, first_token_s = -1;
    double since_s = 0;                // in the present state
    std::array<double, 5> spent = {};  // in each state before
  };

  // REQUIRES: a request that validate() accepts. `seed` is for requests that bring none.
  Sequence(RequestId id, Request request, EventSink sink, uint64_t seed);

  RequestId id() const { return id_; }
  State state() const { return state_; }
  bool running() const { return state_ == State::prefill || state_ == State::decode; }
  // Moves along the arrows above at `now` seconds; any other change is our bug.
  void become(State next, double now);
  // Seconds in a state so far.
  double spent_s(State state, double now) const;

  const SamplingParams& sampling() const { return request_.sampling; }
  int64_t priority() const { return request_.priority; }
  const EventSink& sink() const { return sink_; }
  uint64_t seed() const { return seed_; }

  std::span<const TokenId> tokens() const { return request_.prompt; }  // prompt, then output
  int64_t length() const { return static_cast<int64_t>(request_.prompt.size()); }
  int64_t prompt_length() const { return prompt_length_; }
  int64_t output_length() const { return length() - prompt_length_; }
  void append(TokenId token);

  // Whether prompt positions are left whose logits are wanted. Such a sequence reads no cached
  // prefix.
  bool scores_prompt() const {
    return sampling().prompt_logprobs >= 0 && scored < prompt_length_ - 1;
  }

  const TokenCounts& counts() const { return counts_; }

  // Makes the keys of the blocks that are full by now; `rope_tokens` as in PrefixIdentity, used by
  // the first call.
  void name_blocks(int64_t block_tokens, int64_t rope_tokens = 0);
  std::span<const BlockKey> keys() const { return keys_; }

  int64_t computed = 0;  // tokens whose keys and values are in the cache
  int64_t scored = 0;    // prompt positions whose logits were turned into prompt_logprobs
  BlockTable table;
  Times times;
  int64_t cached_tokens = 0, cached_disk_tokens = 0, preemptions = 0;
  std::shared_ptr<Tenant> tenant;
  bool looked_on_disk = false;                    // for its prefix, since it waits
  int64_t revived_blocks = 0;                     // that were found there
  std::vector<PositionLogprobs> prompt_logprobs;  // waiting for the first event

 private:
  RequestId id_;
  Request request_;
  EventSink sink_;
  uint64_t seed_;
  int64_t prompt_length_;
  State state_ = State::waiting;
  TokenCounts counts_;
  std::optional<BlockKey> root_;
  std::vector<BlockKey> keys_;
};

}  // namespace octavo
