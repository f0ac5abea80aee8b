#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "octavo/engine.h"
#include "serve/fields.h"

namespace octavo::serve {

// What this server allows; every list and count of a request has a bound.
struct ServeLimits {
  int64_t vocab = 0;  // logits width
  int64_t max_model_len = 0;
  int64_t max_logprobs = 20;
  int64_t max_n = 1024;
  int64_t max_prompts = 1024;
  int64_t max_choices = 2048;  // n times prompts
  size_t max_stop_strings = 64, max_stop_bytes = 4096;
  size_t max_bad_words = 128, max_word_bytes = 1024;
  size_t max_logit_bias = 4096;
};

// Defaults of a model's generation_config.json; empty: the API's own.
struct SamplingDefaults {
  std::optional<float> temperature = {}, top_p = {}, min_p = {}, repetition_penalty = {};
  std::optional<int64_t> top_k = {}, max_tokens = {};
};

// What completions and chat have in common. max_tokens, stop ids and words are not yet filled into
// `params` where they need the prompt or the tokenizer.
struct SamplingFields {
  SamplingParams params = {};
  int64_t n = 1;
  std::optional<int64_t> max_tokens = {};
  std::vector<std::string> stop = {}, bad_words = {};
  bool include_stop_in_output = false, skip_special_tokens = true;
  bool stream = false, include_usage = false, continuous_usage = false;
  bool return_token_ids = false, tokens_as_ids = false;
  std::optional<int64_t> truncate_prompt_tokens = {};
  int64_t priority = 0;
  bool beam_search = false;
  float length_penalty = 1;  // of beam search
  float timeout_s = 0;       // 0: none
  std::string cache_salt = {}, model = {}, request_id = {};
};

// Reads them all; what is wrong is in `fields`.
void read_sampling(Fields& fields, const ServeLimits& limits, const SamplingDefaults& defaults,
                   SamplingFields& out);

// Once the prompt's length is known: max_tokens filled in, never beyond the context, and min_tokens
// held against it. `fallback`: where neither request nor model names a length.
std::optional<ApiError> settle_lengths(const ServeLimits& limits, int64_t prompt_tokens,
                                       int64_t fallback, SamplingFields& fields);

}  // namespace octavo::serve
