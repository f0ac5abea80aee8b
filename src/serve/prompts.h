#pragma once

#include <optional>
#include <string>
#include <vector>

#include "octavo/tokens.h"
#include "serve/chat_request.h"
#include "serve/completion_request.h"
#include "serve/served_model.h"

namespace octavo::serve {

// A prompt ready for the engine.
struct PromptPlan {
  std::vector<TokenId> ids;
  std::string text;  // as sent or rendered; of ids, and where it was cut: decoded when needed
  bool has_text = true;
};

// From text or ids, cut to `truncate` tokens from the end if asked.
std::optional<ApiError> plan_prompt(const ServedModel& model, const Prompt& prompt,
                                    Tokenizer::Specials specials, std::optional<int64_t> truncate,
                                    PromptPlan& out);

// The conversation through the template, then as above.
std::optional<ApiError> plan_chat(const ServedModel& model, const ChatInput& input,
                                  std::optional<int64_t> truncate, PromptPlan& out);

// The text of a model that has no template: "User: ...\nAssistant:".
std::string render_plain(const Json& variables);

// Words to token sequences, with and without a space before them.
std::vector<std::vector<TokenId>> encode_words(const Tokenizer& tokenizer,
                                               const std::vector<std::string>& words);

}  // namespace octavo::serve
