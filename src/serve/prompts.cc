#include "serve/prompts.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "octavo/error.h"

namespace octavo::serve {
namespace {

std::string_view trimmed_left(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t\r\n");
  return begin == std::string_view::npos ? std::string_view() : text.substr(begin);
}

std::string_view trimmed(std::string_view text) {
  text = trimmed_left(text);
  const size_t end = text.find_last_not_of(" \t\r\n");
  return end == std::string_view::npos ? std::string_view() : text.substr(0, end + 1);
}

// Cuts `rendered` behind the last message, so that the answer goes on from its words. Templates may
// trim the message, so what they kept of its end decides.
std::optional<ApiError> cut_after_final(const Json& messages, std::string& rendered) {
  const Json& content = messages.back()["content"];
  if (!content.is_string() || trimmed(content.get_ref<const std::string&>()).empty()) {
    return bad_request("continue_final_message", "the final message has no text to go on from");
  }
  const auto& text = content.get_ref<const std::string&>();
  const size_t at = rendered.rfind(trimmed(text));
  if (at == std::string::npos) {
    return bad_request("continue_final_message", "the template does not show the final message");
  }
  const std::string_view whole = trimmed_left(text);
  const bool kept = rendered.compare(at, whole.size(), whole) == 0;
  rendered.resize(at + (kept ? whole.size() : trimmed(text).size()));
  return std::nullopt;
}

std::string too_long(const ServedModel& model, const std::string& tokens) {
  return "the prompt has " + tokens + " tokens, but the context of this model is " +
         std::to_string(model.limits.max_model_len) + " tokens";
}

}  // namespace

std::optional<ApiError> plan_prompt(const ServedModel& model, const Prompt& prompt,
                                    Tokenizer::Specials specials, std::optional<int64_t> truncate,
                                    PromptPlan& out) {
  const auto limit = static_cast<size_t>(model.limits.max_model_len);
  if (const auto* text = std::get_if<std::string>(&prompt)) {
    // No tokenizer makes so few tokens of it: refused before the work of tokenizing.
    const size_t least = text->size() / model.longest_token_bytes;
    if (least > limit && !truncate) {
      return bad_request("prompt", too_long(model, "more than " + std::to_string(least)));
    }
    try {
      out.ids = model.tokenizer.encode(*text, specials);
    } catch (const Error& error) {
      return bad_request("prompt", "the prompt cannot be tokenized: " + error.problem());
    }
    out.text = *text;
  } else {
    out.ids = std::get<std::vector<TokenId>>(prompt);
    out.has_text = false;
  }
  if (truncate) {
    const size_t keep = *truncate < 0 ? limit - 1 : static_cast<size_t>(*truncate);
    if (out.ids.size() > keep) {
      out.ids.erase(out.ids.begin(), out.ids.end() - static_cast<std::ptrdiff_t>(keep));
      out.has_text = false;
    }
  }
  if (out.ids.empty()) return bad_request("prompt", "the prompt has no tokens");
  if (out.ids.size() >= limit) {
    return bad_request("prompt", too_long(model, std::to_string(out.ids.size())));
  }
  const bool known =
      std::ranges::all_of(out.ids, [&](TokenId id) { return id >= 0 && id < model.limits.vocab; });
  if (!known) return bad_request("prompt", "the prompt has tokens that this model does not know");
  return std::nullopt;
}

std::optional<ApiError> plan_chat(const ServedModel& model, const ChatInput& input,
                                  std::optional<int64_t> truncate, PromptPlan& out) {
  Json variables = *input.arguments;
  variables["messages"] = *input.messages;
  variables["add_generation_prompt"] = input.add_generation_prompt;
  variables["continue_final_message"] = input.continue_final_message;
  if (!variables.contains("tools")) variables["tools"] = nullptr;
  const auto name_special = [&](const char* key, const std::optional<Tokenizer::Named>& token) {
    if (token) variables[key] = token->text;
  };
  name_special("bos_token", model.tokenizer.bos());
  name_special("eos_token", model.tokenizer.eos());
  name_special("pad_token", model.tokenizer.pad());
  std::string rendered;
  try {
    rendered = model.render(variables);
  } catch (const Error& error) {
    return bad_request("messages",
                       "the chat template refuses this conversation: " + error.problem());
  }
  if (input.continue_final_message) {
    if (auto error = cut_after_final(*input.messages, rendered)) return error;
  }
  if (rendered.empty()) return bad_request("messages", "the chat template gives no text");
  const auto specials =
      input.add_special_tokens ? Tokenizer::Specials::add : Tokenizer::Specials::none;
  auto error = plan_prompt(model, std::move(rendered), specials, truncate, out);
  if (error) error->param = "messages";
  return error;
}

std::string render_plain(const Json& variables) {
  std::string text = variables.value("bos_token", "");
  for (const Json& message : variables["messages"]) {
    auto role = message["role"].get<std::string>();
    role[0] = static_cast<char>(role[0] >= 'a' && role[0] <= 'z' ? role[0] - 'a' + 'A' : role[0]);
    text += role + ": ";
    if (message["content"].is_string()) text += message["content"].get<std::string>();
    text += "\n";
  }
  if (variables["add_generation_prompt"] == true) text += "Assistant:";
  return text;
}

std::vector<std::vector<TokenId>> encode_words(const Tokenizer& tokenizer,
                                               const std::vector<std::string>& words) {
  std::vector<std::vector<TokenId>> sequences;
  for (const std::string& word : words) {
    const std::string bare(trimmed_left(word));
    for (const std::string& form : {bare, " " + bare}) {
      std::vector<TokenId> ids = tokenizer.encode(form);
      if (!ids.empty() && std::ranges::find(sequences, ids) == sequences.end()) {
        sequences.push_back(std::move(ids));
      }
    }
  }
  return sequences;
}

}  // namespace octavo::serve
