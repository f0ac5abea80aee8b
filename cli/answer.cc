#include "cli/answer.h"

#include <utility>

#include "base/json.h"

namespace octavo::cli {
namespace {

const char* name_of(Finish finish) {
  switch (finish) {
    case Finish::none:
      return "";
    case Finish::stop:
      return "stop";
    case Finish::length:
      return "length";
    case Finish::abort:
      return "abort";
    case Finish::error:
      return "error";
    case Finish::repetition:
      return "repetition";
    case Finish::timeout:
      return "timeout";
    case Finish::rejected:
      return "rejected";
  }
  return "";
}

Json to_json(const TokenLogprob& token) {
  return {{"id", token.id}, {"logprob", token.logprob}, {"rank", token.rank}};
}

Json to_json(const std::vector<PositionLogprobs>& positions) {
  Json list = Json::array();
  for (const PositionLogprobs& position : positions) {
    Json entry = to_json(position.chosen);
    entry["top"] = Json::array();
    for (const TokenLogprob& other : position.top) entry["top"].push_back(to_json(other));
    list.push_back(std::move(entry));
  }
  return list;
}

// Null where nothing was measured.
Json rate(int64_t tokens, double seconds) {
  return tokens > 0 && seconds > 0 ? Json(static_cast<double>(tokens) / seconds) : Json(nullptr);
}

}  // namespace

Answer::Answer(int64_t prompt_tokens, std::optional<TextStream> text, Print print)
    : prompt_tokens_(prompt_tokens), stream_(std::move(text)), print_(std::move(print)) {}

void Answer::release(std::string_view text) {
  text_ += text;
  if (print_ && !text.empty()) print_(text);
}

bool Answer::take(const Event& event) {
  const bool cut = stream_ && stream_->stopped();
  if (!cut) {
    ids_.insert(ids_.end(), event.tokens.begin(), event.tokens.end());
    logprobs_.insert(logprobs_.end(), event.logprobs.begin(), event.logprobs.end());
    if (stream_) {
      for (const TokenId id : event.tokens) release(stream_->push(id));
    }
  }
  if (!event.prompt_logprobs.empty()) prompt_logprobs_ = event.prompt_logprobs;
  if (event.cached_tokens > 0) cached_tokens_ = event.cached_tokens;
  if (event.finish != Finish::none) {
    if (stream_) release(stream_->finish());
    const bool stopped = stream_ && stream_->stopped();
    finish_ = stopped ? Finish::stop : event.finish;
    reason_ = event.reason;
    stop_token_ = event.stop_token;
    queue_s_ = event.queue_s;
    prefill_s_ = event.prefill_s;
    decode_s_ = event.decode_s;
  }
  return !cut && stream_ && stream_->stopped() && event.finish == Finish::none;
}

Json Answer::to_json(double load_s) const {
  const auto tokens = static_cast<int64_t>(ids_.size());
  Json answer = {{"text", text_}, {"ids", ids_}, {"finish_reason", name_of(finish_)}};
  if (stop_token_) answer["stop_token"] = *stop_token_;
  if (!logprobs_.empty()) answer["logprobs"] = cli::to_json(logprobs_);
  if (!prompt_logprobs_.empty()) answer["prompt_logprobs"] = cli::to_json(prompt_logprobs_);
  answer["usage"] = {{"prompt_tokens", prompt_tokens_},
                     {"completion_tokens", tokens},
                     {"total_tokens", prompt_tokens_ + tokens},
                     {"cached_tokens", cached_tokens_}};
  answer["timing"] = {{"load_s", load_s},
                      {"ttft_s", queue_s_ + prefill_s_},
                      {"prefill_tok_s", rate(prompt_tokens_ - cached_tokens_, prefill_s_)},
                      {"decode_s", decode_s_},
                      {"decode_tok_s", rate(tokens - 1, decode_s_)}};
  return answer;
}

}  // namespace octavo::cli
