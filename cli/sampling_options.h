#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cli/generation_config.h"
#include "octavo/engine.h"

namespace CLI {
class App;
}

namespace octavo::cli {

// The sampling flags, named as in the OpenAI API and vLLM. What is not given comes from the model's
// generation_config.json.
struct SamplingOptions {
  std::optional<float> temperature, top_p, min_p, repetition_penalty;
  std::optional<int32_t> top_k;
  float presence_penalty = 0, frequency_penalty = 0;
  std::optional<int64_t> max_tokens;
  int64_t min_tokens = 0;
  bool ignore_eos = false;
  std::vector<std::string> stop;
  bool include_stop = false, keep_special = false;
  std::vector<TokenId> stop_token_ids, allowed_token_ids;
  std::vector<std::string> logit_bias;  // "id:bias"
  int32_t logprobs = -1, prompt_logprobs = -1;
};

constexpr int64_t kDefaultMaxTokens = 256;

void add_sampling_options(CLI::App& app, SamplingOptions& options);

// Throws Error for a logit_bias that is not "id:bias".
SamplingParams sampling_params(const SamplingOptions& options, const GenerationConfig& defaults,
                               std::optional<int64_t> seed);

}  // namespace octavo::cli
