#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/json_fwd.h"
#include "serve/sampling_fields.h"

namespace octavo::serve {

// What the chat template gets, the same for /v1/chat/completions and /tokenize.
struct ChatInput {
  ChatInput();
  ~ChatInput();
  ChatInput(ChatInput&&) noexcept;
  ChatInput& operator=(ChatInput&&) noexcept;

  std::unique_ptr<Json> messages;   // contents are strings; arguments of tool calls are objects
  std::unique_ptr<Json> arguments;  // tools, documents and chat_template_kwargs, by name
  bool add_generation_prompt = true, continue_final_message = false;
  bool add_special_tokens = false;
};

struct ChatRequest {
  SamplingFields sampling;
  ChatInput input;
  bool echo = false;
};

void read_chat_input(Fields& fields, ChatInput& out);

// POST /v1/chat/completions. Pure: the value, or why not.
std::optional<ApiError> parse_chat_request(const Json& body, const ServeLimits& limits,
                                           const SamplingDefaults& defaults, ChatRequest& out);

}  // namespace octavo::serve
