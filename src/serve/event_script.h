#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "base/check.h"
#include "base/json.h"
#include "serve/choice.h"
#include "serve/responses.h"
#include "serve/served_model.h"
#include "serve/sse.h"

namespace octavo::serve {

// For tests and the fuzzer: what a model might put out, drawn from bytes, through the whole way to
// a client: detokenizer, stop strings, log-probabilities, chunks, events. Checks that each event is
// one line of JSON, that text and tokens add up, and that nothing follows the end.
inline void run_event_script(const ServedModel& model, std::span<const uint8_t> script) {
  size_t at = 0;
  const auto next = [&]() -> uint8_t { return at < script.size() ? script[at++] : 0; };
  SamplingFields sampling;
  const uint8_t form = next();
  sampling.params.logprobs = form & 1 ? 2 : -1;
  sampling.include_stop_in_output = (form & 2) != 0;
  sampling.skip_special_tokens = (form & 4) != 0;
  sampling.params.min_tokens = form >> 6;
  for (int i = 0; i < (form >> 3 & 3); ++i) {
    std::string stop(1 + next() % 4, '\0');
    for (char& c : stop) c = static_cast<char>(next());
    sampling.stop.push_back(stop);
  }
  const AnswerHead head{.kind = form & 1 ? AnswerHead::Kind::chat : AnswerHead::Kind::completion,
                        .id = "id",
                        .model = "m\n"};
  const TokenNames names{.tokenizer = &model.tokenizer};
  Choice choice(model.tokenizer, {}, sampling);
  int64_t tokens = 0, offset = 0;
  while (!choice.finished()) {
    Event event;
    const uint8_t count = next() % 8;
    for (int i = 0; i < count; ++i) {
      const TokenId id = next() + (next() == 0 ? 1 : 0);  // 256 is special
      event.tokens.push_back(id);
      const auto logprob = -static_cast<float>(next());
      event.logprobs.push_back({.chosen = {.id = id, .logprob = logprob, .rank = 1},
                                .top = {{.id = 256 - id, .logprob = -1e30f, .rank = 2}}});
    }
    if (at >= script.size()) event.finish = static_cast<Finish>(1 + form % 5);
    const Delta delta = choice.take(event);
    tokens += static_cast<int64_t>(delta.tokens.size());
    ChoicePart part;
    part.text = delta.text;
    part.finish_reason = delta.finish_reason;
    part.stop_string = delta.stop_string;
    part.token_ids = &delta.tokens;
    if (sampling.params.logprobs >= 0) {
      part.logprobs = std::make_shared<Json>(
          head.kind == AnswerHead::Kind::chat
              ? chat_logprobs(names, delta.logprobs)
              : completion_logprobs(names, delta.logprobs, delta.tokens, offset));
    }
    const std::string text = sse_event(chunk_json(head, part));
    OCTAVO_CHECK(text.starts_with("data: {"));
    OCTAVO_CHECK(text.find('\n') == text.size() - 2);
    parse_json(std::string_view(text).substr(6), "event");  // throws when it is none
  }
  OCTAVO_CHECK(tokens == choice.tokens());
}

}  // namespace octavo::serve
