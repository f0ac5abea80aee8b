#include "serve/choice.h"

#include <algorithm>

namespace octavo::serve {
namespace {

// Tokens of the prompt that the detokenizer sees first, so that the answer's first token is not
// read as the beginning of a text, whose leading space would be dropped.
constexpr size_t kContext = 6;

}  // namespace

std::string finish_name(Finish finish) {
  switch (finish) {
    case Finish::none:
      return "";
    case Finish::stop:
      return "stop";
    case Finish::length:
      return "length";
    case Finish::abort:
      return "abort";
    case Finish::repetition:
      return "repetition";
    case Finish::timeout:
      return "timeout";
    case Finish::error:
    case Finish::rejected:
      return "error";
  }
  return "error";
}

Choice::Choice(const Tokenizer& tokenizer, std::span<const TokenId> prompt,
               const SamplingFields& sampling)
    : detokenizer_(tokenizer, sampling.skip_special_tokens ? Tokenizer::InOutput::skip_special
                                                           : Tokenizer::InOutput::keep_special),
      stop_(sampling.stop, sampling.include_stop_in_output ? StopStrings::Keep::keep_match
                                                           : StopStrings::Keep::drop_match),
      min_tokens_(sampling.params.min_tokens),
      include_stop_(sampling.include_stop_in_output) {
  for (const TokenId id : prompt.last(std::min(prompt.size(), kContext))) detokenizer_.push(id);
}

void Choice::take_token(TokenId id, Delta& delta) {
  ++tokens_;
  delta.tokens.push_back(id);
  const std::string piece = detokenizer_.push(id);
  delta.text += tokens_ <= min_tokens_ ? stop_.pass(piece) : stop_.push(piece);
  if (!stop_.matched()) return;
  delta.stop_string = stop_.matched();
  delta.finish_reason = "stop";
  finished_ = true;
}

void Choice::end(const Event& event, Delta& delta) {
  finished_ = true;
  delta.finish_reason = finish_name(event.finish);
  delta.stop_token = event.stop_token;
  delta.text += stop_.push(detokenizer_.flush());
  if (stop_.matched() && event.finish == Finish::length) {
    delta.stop_string = stop_.matched();
    delta.finish_reason = "stop";
  }
  delta.text += stop_.flush();
  if (delta.finish_reason == "error") delta.error = event.reason;
}

Delta Choice::take(const Event& event) {
  Delta delta;
  // The token that ended the sequence (EOS or a stop id) counts, but is not text.
  const bool hide_last = event.finish == Finish::stop && !include_stop_ && !event.tokens.empty();
  const size_t shown = event.tokens.size() - (hide_last ? 1 : 0);
  for (size_t i = 0; i < shown && !finished_; ++i) take_token(event.tokens[i], delta);
  if (!finished_ && event.finish != Finish::none) {
    if (hide_last) {
      ++tokens_;
      delta.tokens.push_back(event.tokens.back());
    }
    end(event, delta);
  }
  const size_t logged = std::min(event.logprobs.size(), delta.tokens.size());
  delta.logprobs.assign(event.logprobs.begin(),
                        event.logprobs.begin() + static_cast<std::ptrdiff_t>(logged));
  return delta;
}

}  // namespace octavo::serve
