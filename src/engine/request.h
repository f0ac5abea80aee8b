#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "octavo/engine.h"

namespace octavo {

// Why a request can't run: the parameter by its name in SamplingParams or Request, and a sentence
// for the client.
struct Refusal {
  std::string param, reason;
};

struct RequestLimits {
  int64_t vocab = 0;          // logits width
  int64_t max_model_len = 0;  // prompt and output together
};

// Nothing when the request holds everything that Engine::submit requires. Never throws on bad
// values.
std::optional<Refusal> validate(const Request& request, const RequestLimits& limits);

// Bounds that no client needs to pass: they keep the work and memory of one request bounded.
inline constexpr int64_t kMaxTopLogprobs = 128;
inline constexpr int64_t kMaxBadWords = 128, kMaxBadWordTokens = 1024;
inline constexpr int64_t kMaxSaltBytes = 1024, kMaxTenantBytes = 1024;
inline constexpr int32_t kMaxPattern = 1024;  // sizes and counts of repetition_detection
// Below this temperature the most likely token is taken.
inline constexpr float kGreedyTemperature = 1e-5f;

}  // namespace octavo
