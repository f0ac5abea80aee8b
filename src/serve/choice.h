#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "octavo/engine.h"
#include "octavo/tokenizer.h"
#include "serve/sampling_fields.h"
#include "serve/stop_strings.h"

namespace octavo::serve {

// What one event adds to a choice.
struct Delta {
  std::string text;
  std::vector<TokenId> tokens;
  std::vector<PositionLogprobs> logprobs;  // one a token, if asked
  std::string finish_reason;               // empty: it goes on
  std::optional<std::string> stop_string;
  std::optional<TokenId> stop_token;
  std::string error;  // finish_reason "error" or a refusal: why
};

// One sequence's way from tokens to text: detokenizing, stop strings, the end. One thread at a
// time.
class Choice {
 public:
  Choice(const Tokenizer& tokenizer, std::span<const TokenId> prompt,
         const SamplingFields& sampling);

  // REQUIRES: not finished().
  Delta take(const Event& event);
  bool finished() const { return finished_; }
  int64_t tokens() const { return tokens_; }

 private:
  void take_token(TokenId id, Delta& delta);
  void end(const Event& event, Delta& delta);

  Detokenizer detokenizer_;
  StopStrings stop_;
  int64_t min_tokens_, tokens_ = 0;
  bool include_stop_, finished_ = false;
};

// "stop", "length", ... as the API writes it.
std::string finish_name(Finish finish);

}  // namespace octavo::serve
