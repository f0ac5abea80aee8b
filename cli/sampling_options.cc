#include "cli/sampling_options.h"

#include <CLI/CLI.hpp>
#include <charconv>

#include "octavo/error.h"

namespace octavo::cli {
namespace {

std::pair<TokenId, float> parse_bias(const std::string& text) {
  const char* end = text.data() + text.size();
  TokenId id = 0;
  const auto [colon, bad] = std::from_chars(text.data(), end, id);
  float bias = 0;
  if (bad == std::errc() && colon != end && *colon == ':') {
    const auto [rest, wrong] = std::from_chars(colon + 1, end, bias);
    if (wrong == std::errc() && rest == end) return {id, bias};
  }
  throw Error("bad value: " + text, "--logit-bias", "write ID:BIAS, for example 42:-100");
}

}  // namespace

void add_sampling_options(CLI::App& app, SamplingOptions& o) {
  app.add_option("--max-tokens", o.max_tokens,
                 "tokens of the answer at most (default " + std::to_string(kDefaultMaxTokens) + ")")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 31));
  app.add_option("--min-tokens", o.min_tokens, "no end before so many tokens");
  app.add_option("--temperature", o.temperature, "0: always the most likely token");
  app.add_option("--top-p", o.top_p, "draw from the most likely tokens of this mass together");
  app.add_option("--top-k", o.top_k, "draw from the k most likely tokens; 0 or -1: off");
  app.add_option("--min-p", o.min_p, "least share of the most likely token's probability");
  app.add_option("--presence-penalty", o.presence_penalty, "against tokens already written");
  app.add_option("--frequency-penalty", o.frequency_penalty, "likewise, by their number");
  app.add_option("--repetition-penalty", o.repetition_penalty, "likewise, a factor; 1: off");
  app.add_flag("--ignore-eos", o.ignore_eos, "go on past the end-of-sequence token");
  app.add_option("--stop", o.stop, "text that ends the answer; may be repeated")
      ->take_all()
      ->allow_extra_args(false);
  app.add_flag("--include-stop-str-in-output", o.include_stop, "keep that text in the answer");
  app.add_flag("--no-skip-special-tokens", o.keep_special, "show special tokens in the text");
  app.add_option("--stop-token-ids", o.stop_token_ids, "ids that end the answer")
      ->take_all()
      ->delimiter(',')
      ->allow_extra_args(false);
  app.add_option("--allowed-token-ids", o.allowed_token_ids, "draw from these ids only")
      ->take_all()
      ->delimiter(',')
      ->allow_extra_args(false);
  app.add_option("--logit-bias", o.logit_bias, "ID:BIAS; may be repeated")
      ->take_all()
      ->delimiter(',')
      ->allow_extra_args(false);
  app.add_option("--logprobs", o.logprobs, "with --json: log-probabilities, and the N best beside");
  app.add_option("--prompt-logprobs", o.prompt_logprobs, "likewise for the prompt's tokens");
}

SamplingParams sampling_params(const SamplingOptions& o, const GenerationConfig& defaults,
                               std::optional<int64_t> seed) {
  SamplingParams p;
  const auto choose = [](const auto& given, const auto& authors, auto otherwise) {
    if (given) return static_cast<decltype(otherwise)>(*given);
    return authors ? static_cast<decltype(otherwise)>(*authors) : otherwise;
  };
  p.temperature = choose(o.temperature, defaults.temperature, p.temperature);
  p.top_p = choose(o.top_p, defaults.top_p, p.top_p);
  p.top_k = choose(o.top_k, defaults.top_k, p.top_k);
  p.min_p = choose(o.min_p, defaults.min_p, p.min_p);
  p.repetition_penalty =
      choose(o.repetition_penalty, defaults.repetition_penalty, p.repetition_penalty);
  p.presence_penalty = o.presence_penalty;
  p.frequency_penalty = o.frequency_penalty;
  p.max_tokens = o.max_tokens.value_or(kDefaultMaxTokens);
  p.min_tokens = o.min_tokens;
  p.ignore_eos = o.ignore_eos;
  p.stop_token_ids = o.stop_token_ids;
  p.allowed_token_ids = o.allowed_token_ids;
  for (const std::string& bias : o.logit_bias) p.logit_bias.push_back(parse_bias(bias));
  p.logprobs = o.logprobs;
  p.prompt_logprobs = o.prompt_logprobs;
  p.seed = seed;
  return p;
}

}  // namespace octavo::cli
