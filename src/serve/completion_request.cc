#include "serve/completion_request.h"

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

namespace octavo::serve {
namespace {

constexpr const char* kPromptForms =
    "prompt must be a string, a list of strings, a list of token ids or a list of such lists";

void read_ids(Fields& fields, const Json& list, const ServeLimits& limits,
              std::vector<Prompt>& out) {
  std::vector<TokenId> ids;
  if (list.empty()) return fields.fail("prompt", "prompt must not be empty");
  if (static_cast<int64_t>(list.size()) >= limits.max_model_len) {
    return fields.fail("prompt", "the prompt has " + std::to_string(list.size()) +
                                     " tokens, but the context of this model is " +
                                     std::to_string(limits.max_model_len) + " tokens");
  }
  for (const Json& item : list) {
    const std::optional<TokenId> id = as_token_id(item, limits.vocab);
    if (!id) {
      return fields.fail("prompt", "prompt must hold token ids from 0 to " +
                                       std::to_string(limits.vocab - 1) + " only");
    }
    ids.push_back(*id);
  }
  out.emplace_back(std::move(ids));
}

void read_text(Fields& fields, const Json& text, std::vector<Prompt>& out) {
  if (!text.is_string()) return fields.fail("prompt", kPromptForms);
  if (text.get_ref<const std::string&>().empty()) {
    return fields.fail("prompt", "prompt must not be empty");
  }
  out.emplace_back(text.get<std::string>());
}

void read_prompts(Fields& fields, const ServeLimits& limits, std::vector<Prompt>& out) {
  const Json* prompt = fields.find("prompt");
  if (!prompt) return fields.fail("prompt", "prompt is missing");
  if (prompt->is_string()) return read_text(fields, *prompt, out);
  if (!prompt->is_array()) return fields.fail("prompt", kPromptForms);
  if (prompt->empty()) return fields.fail("prompt", "prompt must not be empty");
  if (prompt->front().is_number()) return read_ids(fields, *prompt, limits, out);
  if (static_cast<int64_t>(prompt->size()) > limits.max_prompts) {
    return fields.fail("prompt", "at most " + std::to_string(limits.max_prompts) +
                                     " prompts are allowed in one request");
  }
  for (const Json& item : *prompt) {
    if (item.is_array()) {
      read_ids(fields, item, limits, out);
    } else {
      read_text(fields, item, out);
    }
    if (fields.error()) return;
  }
}

void read_logprobs(Fields& fields, const ServeLimits& limits, CompletionRequest& out) {
  if (!fields.find("logprobs")) return;
  int64_t logprobs = -1;
  fields.integer("logprobs", logprobs, {0, limits.max_logprobs});
  out.sampling.params.logprobs = static_cast<int32_t>(logprobs);
  if (out.echo && out.sampling.params.prompt_logprobs < 0) {
    out.sampling.params.prompt_logprobs = static_cast<int32_t>(logprobs);
  }
}

}  // namespace

std::optional<ApiError> parse_completion_request(const Json& body, const ServeLimits& limits,
                                                 const SamplingDefaults& defaults,
                                                 CompletionRequest& out) {
  if (!body.is_object()) return bad_request("", "the body must be a JSON object");
  Fields fields(body);
  read_prompts(fields, limits, out.prompts);
  read_sampling(fields, limits, defaults, out.sampling);
  fields.flag("echo", out.echo);
  fields.flag("add_special_tokens", out.add_special_tokens);
  fields.integer("max_tokens", out.sampling.max_tokens,
                 {out.echo ? 0 : 1, std::numeric_limits<int64_t>::max()});
  read_logprobs(fields, limits, out);
  std::optional<int64_t> best_of;
  fields.integer("best_of", best_of, {1, std::numeric_limits<int64_t>::max()});
  if (best_of && *best_of != out.sampling.n) {
    fields.fail("best_of", "best_of is no longer supported: it must equal n");
  }
  if (out.echo && out.sampling.beam_search) {
    fields.fail("echo", "echo cannot be used with beam search");
  }
  if (fields.find("suffix")) fields.fail("suffix", "suffix is not supported");
  const int64_t choices = static_cast<int64_t>(out.prompts.size()) * out.sampling.n;
  if (choices > limits.max_choices) {
    fields.fail(
        "n", "n times the number of prompts must be at most " + std::to_string(limits.max_choices));
  }
  return fields.error();
}

}  // namespace octavo::serve
