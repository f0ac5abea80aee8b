#include "engine/request.h"

#include <cmath>
#include <span>
#include <utility>

namespace octavo {
namespace {

using Answer = std::optional<Refusal>;

// Inclusive bounds; NaN is outside.
Answer in_range(const char* param, double value, double low, double high) {
  if (value >= low && value <= high) return std::nullopt;
  return Refusal{param, std::string(param) + " must be between " + std::to_string(low) + " and " +
                            std::to_string(high)};
}

Answer require(bool holds, const char* param, const char* rule) {
  if (holds) return std::nullopt;
  return Refusal{param, std::string(param) + " " + rule};
}

Answer ids_below(const char* param, std::span<const TokenId> ids, int64_t vocab) {
  for (const TokenId id : ids) {
    if (id < 0 || id >= vocab) {
      return Refusal{param, std::string(param) + " contains token id " + std::to_string(id) +
                                "; ids must be between 0 and " + std::to_string(vocab - 1)};
    }
  }
  return std::nullopt;
}

Answer check_prompt(const Request& request, const RequestLimits& limits) {
  const auto tokens = static_cast<int64_t>(request.prompt.size());
  if (tokens == 0) return Refusal{"prompt", "prompt must hold at least one token"};
  if (tokens >= limits.max_model_len) {
    return Refusal{"prompt", "prompt holds " + std::to_string(tokens) +
                                 " tokens; this model takes at most " +
                                 std::to_string(limits.max_model_len - 1)};
  }
  return ids_below("prompt", request.prompt, limits.vocab);
}

Answer check_distribution(const SamplingParams& p) {
  if (auto bad = in_range("temperature", p.temperature, 0, 2)) return bad;
  if (auto bad = require(p.top_p > 0 && p.top_p <= 1, "top_p", "must be above 0 and at most 1")) {
    return bad;
  }
  if (auto bad = in_range("min_p", p.min_p, 0, 1)) return bad;
  if (auto bad = require(p.top_k >= -1, "top_k", "must be positive, or 0 or -1 for no limit")) {
    return bad;
  }
  if (auto bad = in_range("presence_penalty", p.presence_penalty, -2, 2)) return bad;
  if (auto bad = in_range("frequency_penalty", p.frequency_penalty, -2, 2)) return bad;
  return require(p.repetition_penalty > 0 && std::isfinite(p.repetition_penalty),
                 "repetition_penalty", "must be a positive number");
}

Answer check_repetition(const RepetitionDetection& r) {
  const char* const name = "repetition_detection";
  if (auto bad = require(r.min_pattern_size >= 0 && r.max_pattern_size >= r.min_pattern_size &&
                             r.max_pattern_size <= kMaxPattern,
                         name, "sizes must be 0 <= min_pattern_size <= max_pattern_size <= 1024")) {
    return bad;
  }
  return require(!r.on() || (r.min_count >= 2 && r.min_count <= kMaxPattern), name,
                 "min_count must be between 2 and 1024");
}

Answer check_lengths(const SamplingParams& p) {
  if (auto bad = require(p.max_tokens >= 1, "max_tokens", "must be at least 1")) return bad;
  if (auto bad = require(p.min_tokens >= 0 && p.min_tokens <= p.max_tokens, "min_tokens",
                         "must be between 0 and max_tokens")) {
    return bad;
  }
  if (auto bad = check_repetition(p.repetition_detection)) return bad;
  if (auto bad = in_range("logprobs", p.logprobs, -1, kMaxTopLogprobs)) return bad;
  return in_range("prompt_logprobs", p.prompt_logprobs, -1, kMaxTopLogprobs);
}

Answer check_ids(const SamplingParams& p, int64_t vocab) {
  if (auto bad = ids_below("stop_token_ids", p.stop_token_ids, vocab)) return bad;
  if (auto bad = ids_below("allowed_token_ids", p.allowed_token_ids, vocab)) return bad;
  if (auto bad = require(static_cast<int64_t>(p.allowed_token_ids.size()) <= vocab,
                         "allowed_token_ids", "must not name more tokens than there are")) {
    return bad;
  }
  for (const auto& [id, bias] : p.logit_bias) {
    if (auto bad = ids_below("logit_bias", {&id, 1}, vocab)) return bad;
    if (auto bad = require(std::isfinite(bias), "logit_bias", "must be finite")) return bad;
  }
  int64_t tokens = 0;
  for (const std::vector<TokenId>& word : p.bad_words) {
    if (auto bad = require(!word.empty(), "bad_words", "must not be empty")) return bad;
    if (auto bad = ids_below("bad_words", word, vocab)) return bad;
    tokens += static_cast<int64_t>(word.size());
  }
  const bool few =
      static_cast<int64_t>(p.bad_words.size()) <= kMaxBadWords && tokens <= kMaxBadWordTokens;
  return require(few, "bad_words", "must be at most 128 sequences of 1024 tokens together");
}

}  // namespace

std::optional<Refusal> validate(const Request& request, const RequestLimits& limits) {
  const SamplingParams& p = request.sampling;
  if (auto bad = check_prompt(request, limits)) return bad;
  if (auto bad = check_distribution(p)) return bad;
  if (auto bad = check_lengths(p)) return bad;
  if (auto bad = check_ids(p, limits.vocab)) return bad;
  if (auto bad = require(std::isfinite(request.deadline_s) && request.deadline_s >= 0, "deadline_s",
                         "must be positive, or 0 for none")) {
    return bad;
  }
  if (auto bad = require(static_cast<int64_t>(request.tenant.size()) <= kMaxTenantBytes, "tenant",
                         "must be at most 1024 bytes")) {
    return bad;
  }
  return require(static_cast<int64_t>(request.cache_salt.size()) <= kMaxSaltBytes, "cache_salt",
                 "must be at most 1024 bytes");
}

}  // namespace octavo
