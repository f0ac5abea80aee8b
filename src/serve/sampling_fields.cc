#include "serve/sampling_fields.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <nlohmann/json.hpp>

#include "engine/request.h"

namespace octavo::serve {
namespace {

constexpr int64_t kMaxInt = std::numeric_limits<int64_t>::max();
constexpr float kGreedyBelow = 1e-5f, kLowestTemperature = 0.01f;
constexpr int64_t kMaxBeams = 32;
constexpr double kMaxLengthPenalty = 100;
constexpr float kMaxBias = 100;
constexpr double kLongestTimeout = 7 * 86400;  // seconds
constexpr double kNoLimit = std::numeric_limits<float>::max();

void read_distribution(Fields& fields, const ServeLimits& limits, const SamplingDefaults& defaults,
                       SamplingParams& p) {
  p.temperature = defaults.temperature.value_or(p.temperature);
  p.top_p = defaults.top_p.value_or(p.top_p);
  p.min_p = defaults.min_p.value_or(p.min_p);
  p.repetition_penalty = defaults.repetition_penalty.value_or(p.repetition_penalty);
  int64_t top_k = defaults.top_k.value_or(0);
  fields.number("temperature", p.temperature, {0, 2});
  fields.number("top_p", p.top_p, {0, 1, true});
  fields.number("min_p", p.min_p, {0, 1});
  fields.integer("top_k", top_k, {-1, kMaxInt});
  fields.number("presence_penalty", p.presence_penalty, {-2, 2});
  fields.number("frequency_penalty", p.frequency_penalty, {-2, 2});
  fields.number("repetition_penalty", p.repetition_penalty, {0, kNoLimit, true});
  p.top_k = top_k > 0 && top_k < limits.vocab ? static_cast<int32_t>(top_k) : 0;
  if (p.top_p <= 0) p.top_p = std::numeric_limits<float>::min();  // a double too small for a float
  if (p.repetition_penalty <= 0) p.repetition_penalty = std::numeric_limits<float>::min();
  if (p.temperature < kGreedyBelow) {
    p.temperature = 0;
    p.top_p = 1;
    p.top_k = 0;
    p.min_p = 0;
  } else {
    p.temperature = std::max(p.temperature, kLowestTemperature);
  }
}

void read_logit_bias(Fields& fields, const ServeLimits& limits, SamplingParams& p) {
  const Json* map = fields.find("logit_bias");
  if (!map) return;
  if (!map->is_object()) {
    return fields.fail("logit_bias", "logit_bias must map token ids to numbers");
  }
  if (map->size() > limits.max_logit_bias) {
    return fields.fail("logit_bias", "logit_bias must have at most " +
                                         std::to_string(limits.max_logit_bias) + " entries");
  }
  for (const auto& [key, value] : map->items()) {
    int64_t id = -1;
    const char* end = key.data() + key.size();
    const auto [stop, code] = std::from_chars(key.data(), end, id);
    if (code != std::errc() || stop != end || id < 0 || id >= limits.vocab) {
      return fields.fail("logit_bias", "logit_bias must have token ids from 0 to " +
                                           std::to_string(limits.vocab - 1) + " as keys");
    }
    if (!value.is_number()) {
      return fields.fail("logit_bias", "logit_bias must have numbers as values");
    }
    const double bias = std::clamp(value.get<double>(), -double{kMaxBias}, double{kMaxBias});
    p.logit_bias.emplace_back(static_cast<TokenId>(id), static_cast<float>(bias));
  }
}

void read_tokens(Fields& fields, const ServeLimits& limits, SamplingFields& out) {
  SamplingParams& p = out.params;
  const size_t many = std::max<size_t>(1024, static_cast<size_t>(limits.vocab));
  fields.token_ids("stop_token_ids", p.stop_token_ids, limits.vocab, many);
  fields.token_ids("allowed_token_ids", p.allowed_token_ids, limits.vocab,
                   static_cast<size_t>(limits.vocab));
  if (fields.find("allowed_token_ids") && fields.good() && p.allowed_token_ids.empty()) {
    fields.fail("allowed_token_ids", "allowed_token_ids must not be empty");
  }
  fields.texts("bad_words", out.bad_words, limits.max_bad_words, limits.max_word_bytes);
  fields.texts("stop", out.stop, limits.max_stop_strings, limits.max_stop_bytes);
  fields.flag("include_stop_str_in_output", out.include_stop_in_output);
  fields.flag("skip_special_tokens", out.skip_special_tokens);
  fields.flag("ignore_eos", p.ignore_eos);
  read_logit_bias(fields, limits, p);
}

void read_counts(Fields& fields, const ServeLimits& limits, SamplingFields& out) {
  SamplingParams& p = out.params;
  fields.integer("n", out.n, {1, limits.max_n});
  fields.integer("seed", p.seed, {std::numeric_limits<int64_t>::min(), kMaxInt});
  if (p.seed == -1) p.seed.reset();
  fields.integer("min_tokens", p.min_tokens, {0, kMaxInt});
  fields.integer("priority", out.priority, {std::numeric_limits<int64_t>::min(), kMaxInt});
  if (fields.find("timeout")) fields.number("timeout", out.timeout_s, {0, kLongestTimeout, true});
  fields.integer("truncate_prompt_tokens", out.truncate_prompt_tokens, {-1, limits.max_model_len});
  int64_t prompt_logprobs = -1;
  if (fields.find("prompt_logprobs")) {
    fields.integer("prompt_logprobs", prompt_logprobs, {0, limits.max_logprobs});
  }
  p.prompt_logprobs = static_cast<int32_t>(prompt_logprobs);
  if (out.n > 1 && p.temperature == 0 && !out.beam_search) {
    fields.fail("n", "n must be 1 when temperature is 0: all choices would be equal");
  }
}

// Sizes and counts that do not fit together are refused by the engine's own check.
void read_repetition(Fields& fields, SamplingParams& p) {
  constexpr const char* kName = "repetition_detection";
  const Json* wanted = fields.find(kName);
  if (!wanted) return;
  if (!wanted->is_object()) return fields.fail(kName, "repetition_detection must be an object");
  Fields inner(*wanted);
  int64_t longest = 0, shortest = 0, count = 0;
  inner.integer("max_pattern_size", longest, {0, kMaxPattern});
  inner.integer("min_pattern_size", shortest, {0, kMaxPattern});
  inner.integer("min_count", count, {0, kMaxPattern});
  if (inner.error()) {
    return fields.fail(kName, "repetition_detection: " + inner.error()->message);
  }
  p.repetition_detection = {.max_pattern_size = static_cast<int32_t>(longest),
                            .min_pattern_size = static_cast<int32_t>(shortest),
                            .min_count = static_cast<int32_t>(count)};
}

void read_stream(Fields& fields, SamplingFields& out) {
  fields.flag("stream", out.stream);
  if (out.stream && out.params.prompt_logprobs >= 0) {
    fields.fail("prompt_logprobs", "prompt_logprobs cannot be streamed");
  }
  const Json* options = fields.find("stream_options");
  if (!options) return;
  if (!options->is_object()) {
    return fields.fail("stream_options", "stream_options must be an object");
  }
  if (!out.stream) {
    return fields.fail("stream_options", "stream_options is only allowed when stream is true");
  }
  Fields inner(*options);
  inner.flag("include_usage", out.include_usage);
  inner.flag("continuous_usage_stats", out.continuous_usage);
  if (inner.error()) {
    fields.fail("stream_options." + inner.error()->param, inner.error()->message);
  }
  out.continuous_usage = out.continuous_usage && out.include_usage;
}

// A constraint that is dropped silently would be a wrong answer, so all but plain text is refused.
void refuse_unsupported(Fields& fields) {
  if (const Json* format = fields.find("response_format")) {
    const bool plain =
        format->is_object() && format->contains("type") && (*format)["type"] == "text";
    if (!plain) {
      fields.fail("response_format", "response_format: only {\"type\": \"text\"} is supported");
    }
  }
  for (const char* key : {"structured_outputs", "guided_json", "guided_regex", "guided_choice",
                          "guided_grammar", "prompt_embeds", "logprob_token_ids"}) {
    if (fields.find(key)) fields.fail(key, std::string(key) + " is not supported by this server");
  }
}

// Beam search scores whole sequences, so what draws or streams single tokens has no meaning in it.
void read_beam(Fields& fields, SamplingFields& out) {
  fields.flag("use_beam_search", out.beam_search);
  fields.number("length_penalty", out.length_penalty, {-kMaxLengthPenalty, kMaxLengthPenalty});
  if (!out.beam_search) return;
  const SamplingParams& p = out.params;
  const auto refuse = [&](bool given, const char* key) {
    if (given) fields.fail(key, std::string(key) + " cannot be used with beam search");
  };
  refuse(out.stream, "stream");
  refuse(p.prompt_logprobs >= 0, "prompt_logprobs");
  refuse(p.min_tokens > 0, "min_tokens");
  refuse(!p.logit_bias.empty(), "logit_bias");
  refuse(!p.allowed_token_ids.empty(), "allowed_token_ids");
  refuse(!out.bad_words.empty(), "bad_words");
  if (out.n > kMaxBeams) {
    fields.fail("n", "n must be at most " + std::to_string(kMaxBeams) + " with beam search");
  }
}

void read_names(Fields& fields, SamplingFields& out) {
  constexpr size_t kMaxName = 1024;
  fields.text("model", out.model, kMaxName);
  fields.text("request_id", out.request_id, kMaxName);
  std::string user;
  fields.text("user", user, kMaxName);
  const Json* salt = fields.find("cache_salt");
  fields.text("cache_salt", out.cache_salt, kMaxName);
  if (salt && fields.good() && out.cache_salt.empty()) {
    fields.fail("cache_salt", "cache_salt must not be empty");
  }
  fields.flag("return_token_ids", out.return_token_ids);
  fields.flag("return_tokens_as_token_ids", out.tokens_as_ids);
}

}  // namespace

void read_sampling(Fields& fields, const ServeLimits& limits, const SamplingDefaults& defaults,
                   SamplingFields& out) {
  out.max_tokens = defaults.max_tokens;
  read_distribution(fields, limits, defaults, out.params);
  read_tokens(fields, limits, out);
  if (const Json* beam = fields.find("use_beam_search")) out.beam_search = *beam == true;
  read_counts(fields, limits, out);
  read_repetition(fields, out.params);
  read_stream(fields, out);
  read_beam(fields, out);
  read_names(fields, out);
  refuse_unsupported(fields);
}

std::optional<ApiError> settle_lengths(const ServeLimits& limits, int64_t prompt_tokens,
                                       int64_t fallback, SamplingFields& fields) {
  const int64_t room = limits.max_model_len - prompt_tokens;
  if (room < 1) {
    return bad_request("prompt", "the prompt has " + std::to_string(prompt_tokens) +
                                     " tokens, but the context of this model is " +
                                     std::to_string(limits.max_model_len) +
                                     " tokens, of which one at least is for the answer");
  }
  SamplingParams& p = fields.params;
  p.max_tokens = std::min(room, fields.max_tokens.value_or(fallback));
  if (p.min_tokens > p.max_tokens) {
    return bad_request("min_tokens", "min_tokens must be at most max_tokens (" +
                                         std::to_string(p.max_tokens) + ")");
  }
  return std::nullopt;
}

}  // namespace octavo::serve
