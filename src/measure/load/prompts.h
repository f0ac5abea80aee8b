#pragma once

#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "measure/load/conversations.h"
#include "measure/load/trace.h"
#include "octavo/tokenizer.h"

namespace octavo::measure {

// One request to send.
struct LoadPrompt {
  std::string text;
  std::vector<TokenId> ids;   // of the text; empty without a tokenizer
  int64_t input_tokens = 0;   // without a tokenizer: words
  int64_t output_tokens = 0;  // wanted
  double at_s = -1;           // of a trace; below 0: the load has times of its own
};

// Lengths and number of requests, under vLLM's names.
struct PromptOptions {
  int64_t num_prompts = 100;
  int64_t input_len = 1024, output_len = 128, prefix_len = 0;  // random
  double range_ratio = 0;           // lengths are drawn from len · (1 ± ratio)
  int64_t sharegpt_output_len = 0;  // 0: as long as the recorded answer
  int64_t repeated_prefix_len = 256, suffix_len = 256, num_prefixes = 10;  // prefix_repetition
  int64_t repeated_output_len = 128;
  double trace_scale = 1;                               // multiplies a trace's token counts
  int64_t max_input_tokens = 0, max_output_tokens = 0;  // 0: no bound
};

// Makes prompts of a wanted length: random tokens of a tokenizer decoded to text, or random words
// where there is none.
class PromptMaker {
 public:
  PromptMaker(std::optional<Tokenizer> tokenizer, uint64_t seed);

  std::vector<LoadPrompt> random(const PromptOptions& options);
  // Each of `num_prefixes` prefixes as often as the others, in random order.
  std::vector<LoadPrompt> prefix_repetition(const PromptOptions& options);
  std::vector<LoadPrompt> sharegpt(const std::vector<Exchange>& exchanges,
                                   const PromptOptions& options);
  // Equal block ids become equal text.
  std::vector<LoadPrompt> trace(const std::vector<TraceRow>& rows, const PromptOptions& options);

 private:
  using Pieces = std::vector<int64_t>;  // indices of words_

  Pieces draw(int64_t count, std::mt19937_64& random) const;
  LoadPrompt prompt(const Pieces& pieces, int64_t output_tokens) const;
  int64_t length(int64_t wanted, double ratio);

  std::optional<Tokenizer> tokenizer_;
  uint64_t seed_;
  std::mt19937_64 random_;
  std::vector<std::string> words_;  // each one token where there is a tokenizer
};

}  // namespace octavo::measure
