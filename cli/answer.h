#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json_fwd.h"
#include "cli/text_stream.h"
#include "octavo/engine.h"

namespace octavo::cli {

// One request's answer, gathered from its events on the engine's thread.
class Answer {
 public:
  using Print = std::function<void(std::string_view text)>;

  // `text`: empty for a model without a tokenizer. `print`: gets the text as it becomes final.
  Answer(int64_t prompt_tokens, std::optional<TextStream> text, Print print = {});

  // True when a stop string has ended the text: the request may be aborted.
  bool take(const Event& event);

  bool done() const { return finish_ != Finish::none; }
  Finish finish() const { return finish_; }
  const std::string& reason() const { return reason_; }  // of `rejected` and `error`
  const std::string& text() const { return text_; }
  const std::vector<TokenId>& ids() const { return ids_; }

  // {"text", "ids", "finish_reason", "logprobs"?, "usage", "timing"}; `load_s` enters the timing.
  Json to_json(double load_s) const;

 private:
  void release(std::string_view text);

  int64_t prompt_tokens_;
  std::optional<TextStream> stream_;
  Print print_;
  std::string text_, reason_;
  std::vector<TokenId> ids_;
  std::vector<PositionLogprobs> logprobs_, prompt_logprobs_;
  std::optional<TokenId> stop_token_;
  Finish finish_ = Finish::none;
  int64_t cached_tokens_ = 0;
  double queue_s_ = 0, prefill_s_ = 0, decode_s_ = 0;
};

}  // namespace octavo::cli
