#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/json_fwd.h"
#include "serve/sampling_fields.h"

namespace octavo::serve {

using Prompt = std::variant<std::string, std::vector<TokenId>>;

struct CompletionRequest {
  SamplingFields sampling;
  std::vector<Prompt> prompts;
  bool echo = false;
  bool add_special_tokens = true;
};

// POST /v1/completions. Pure: the value, or why not.
std::optional<ApiError> parse_completion_request(const Json& body, const ServeLimits& limits,
                                                 const SamplingDefaults& defaults,
                                                 CompletionRequest& out);

}  // namespace octavo::serve
