#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/json_fwd.h"
#include "octavo/engine.h"
#include "octavo/tokenizer.h"
#include "serve/choice.h"

namespace octavo::serve {

// The constant part of an answer and of all its chunks.
struct AnswerHead {
  enum class Kind { completion, chat };
  Kind kind = Kind::completion;
  std::string id, model;
  int64_t created = 0;
};

struct Usage {
  int64_t prompt_tokens = 0, completion_tokens = 0;
  int64_t cached_tokens = -1;  // -1: not shown
};

// How tokens are named in log-probabilities.
struct TokenNames {
  const Tokenizer* tokenizer = nullptr;
  bool as_ids = false;  // "token_id:17"
  std::string operator()(TokenId id) const;
};

// One choice of an answer, or one piece of it in a stream.
struct ChoicePart {
  int64_t index = 0;
  std::string text;
  std::string finish_reason;  // empty: null
  std::optional<std::string> stop_string;
  std::optional<TokenId> stop_token;
  std::shared_ptr<Json> logprobs;                    // null: not asked
  std::shared_ptr<Json> prompt_logprobs;             // null: not asked
  const std::vector<TokenId>* token_ids = nullptr;   // null: not asked
  const std::vector<TokenId>* prompt_ids = nullptr;  // null: not asked, or sent before
};

// {"tokens", "token_logprobs", "top_logprobs", "text_offset"}; `offset` is the place of the first
// token in the text, in characters, and moves on. The very first prompt token has no probability.
Json completion_logprobs(const TokenNames& names, std::span<const PositionLogprobs> positions,
                         std::span<const TokenId> tokens, int64_t& offset);
// {"content": [...]}
Json chat_logprobs(const TokenNames& names, std::span<const PositionLogprobs> positions);
// [null, {"id": {"logprob", "rank", "decoded_token"}}, ...]
Json prompt_logprobs_json(const TokenNames& names, std::span<const PositionLogprobs> positions);

Json usage_json(const Usage& usage);
// A whole answer: head, choices, usage.
Json answer_json(const AnswerHead& head, const std::vector<ChoicePart>& choices,
                 const Usage& usage);
// One event of a stream. The first of a chat choice has the role and no content.
Json chunk_json(const AnswerHead& head, const ChoicePart& part);
Json role_chunk_json(const AnswerHead& head, int64_t index, const std::vector<TokenId>* prompt_ids);
Json usage_chunk_json(const AnswerHead& head, const Usage& usage);

}  // namespace octavo::serve
