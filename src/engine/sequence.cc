#include "engine/sequence.h"

#include <utility>

#include "base/check.h"
#include "engine/random.h"

namespace octavo {
namespace {

bool has_penalties(const SamplingParams& p) {
  return p.repetition_penalty != 1 || p.frequency_penalty != 0 || p.presence_penalty != 0;
}

}  // namespace

Sequence::Sequence(RequestId id, Request request, EventSink sink, uint64_t seed)
    : id_(id),
      request_(std::move(request)),
      sink_(std::move(sink)),
      seed_(seed),
      prompt_length_(static_cast<int64_t>(request_.prompt.size())) {
  const std::optional<int64_t> own = sampling().seed;
  if (own && *own != -1) seed_ = static_cast<uint64_t>(*own);
  if (sampling().repetition_penalty != 1) {
    for (const TokenId token : request_.prompt) counts_.try_emplace(token, 0);
  }
  if (sampling().prompt_logprobs >= 0) prompt_logprobs.resize(prompt_length_);
}

void Sequence::become(State next, double now) {
  static constexpr auto bit = [](State state) { return 1u << static_cast<int>(state); };
  // The states from which each may be entered.
  static constexpr std::array<unsigned, 5> kFrom = {
      0, bit(State::waiting) | bit(State::preempted), bit(State::prefill),
      bit(State::prefill) | bit(State::decode),
      bit(State::waiting) | bit(State::prefill) | bit(State::decode) | bit(State::preempted)};
  OCTAVO_CHECK((kFrom[static_cast<size_t>(next)] & bit(state_)) != 0);
  times.spent[static_cast<size_t>(state_)] += now - times.since_s;
  times.since_s = now;
  state_ = next;
}

double Sequence::spent_s(State state, double now) const {
  return times.spent[static_cast<size_t>(state)] + (state == state_ ? now - times.since_s : 0);
}

void Sequence::append(TokenId token) {
  request_.prompt.push_back(token);
  if (has_penalties(sampling())) ++counts_[token];
}

void Sequence::name_blocks(int64_t block_tokens, int64_t rope_tokens) {
  if (!root_) root_ = root_key({.salt = request_.cache_salt, .rope_tokens = rope_tokens});
  extend_keys(*root_, tokens(), block_tokens, keys_);
}

}  // namespace octavo
