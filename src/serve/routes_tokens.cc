#include <algorithm>
#include <nlohmann/json.hpp>

#include "octavo/error.h"
#include "serve/fields.h"
#include "serve/http_answers.h"
#include "serve/routes.h"

namespace octavo::serve {
namespace {

constexpr size_t kMaxTokenizeBytes = size_t{8} << 20, kMaxDetokenize = size_t{1} << 20;

// The tokens of a conversation or of a text.
std::optional<ApiError> read_tokens(const ServedModel& model, Fields& fields,
                                    std::vector<TokenId>& out) {
  if (fields.find("messages")) {
    ChatInput input;
    read_chat_input(fields, input);
    if (fields.error()) return fields.error();
    PromptPlan plan;
    auto error = plan_chat(model, input, std::nullopt, plan);
    out = std::move(plan.ids);
    return error;
  }
  std::string prompt;
  bool add_special = true;
  fields.flag("add_special_tokens", add_special);
  fields.text("prompt", prompt, kMaxTokenizeBytes);
  if (!fields.find("prompt")) fields.fail("prompt", "prompt or messages is missing");
  if (fields.error()) return fields.error();
  try {
    out = model.tokenizer.encode(
        prompt, add_special ? Tokenizer::Specials::add : Tokenizer::Specials::none);
  } catch (const Error& error) {
    return bad_request("prompt", "the prompt cannot be tokenized: " + error.problem());
  }
  return std::nullopt;
}

}  // namespace

std::optional<HttpResponse> Routes::tokenize(Call& call) {
  const ServedModel& model = call.model();
  Fields fields(*call.body);
  bool with_strings = false;
  fields.flag("return_token_strs", with_strings);
  std::vector<TokenId> ids;
  if (const auto error = read_tokens(model, fields, ids)) return error_response(*error);
  Json json;
  json["count"] = ids.size();
  json["max_model_len"] = model.limits.max_model_len;
  json["tokens"] = ids;
  if (with_strings) {
    for (const TokenId id : ids) json["token_strs"].push_back(model.tokenizer.token(id));
  }
  return json_response(json);
}

std::optional<HttpResponse> Routes::detokenize(Call& call) {
  const ServedModel& model = call.model();
  Fields fields(*call.body);
  std::vector<TokenId> ids;
  fields.token_ids("tokens", ids, std::max(model.limits.vocab, model.tokenizer.vocab_size()),
                   kMaxDetokenize);
  if (!fields.find("tokens")) fields.fail("tokens", "tokens is missing");
  if (fields.error()) return error_response(*fields.error());
  return json_response(
      Json{{"prompt", model.tokenizer.decode(ids, Tokenizer::InOutput::keep_special)}});
}

std::optional<HttpResponse> Routes::tokenizer_info(Call& call) {
  const Lease host = call.service.registry_->find_ready("");
  if (!host) return error_response(overloaded("the model is not in memory", 1));
  const ServedModel& model = *host->model;
  const auto named = [](const std::optional<Tokenizer::Named>& token) {
    return token ? Json(token->text) : Json(nullptr);
  };
  return json_response(Json{{"model", model.names.front()},
                            {"vocab_size", model.tokenizer.vocab_size()},
                            {"logits_width", model.limits.vocab},
                            {"max_model_len", model.limits.max_model_len},
                            {"bos_token", named(model.tokenizer.bos())},
                            {"eos_token", named(model.tokenizer.eos())},
                            {"pad_token", named(model.tokenizer.pad())}});
}

}  // namespace octavo::serve
