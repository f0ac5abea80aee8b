#include <nlohmann/json.hpp>

#include "serve/chat_request.h"
#include "serve/fields.h"
#include "serve/http_answers.h"
#include "serve/routes.h"

// Routes that clients know and this server does not fill yet. What they get wrong is told as
// anywhere else, by the same parsers and limits; what is right is answered with 501.

namespace octavo::serve {
namespace {

HttpResponse not_yet(const std::string& what) {
  return error_response(http_error(501, what + " is not implemented by this server yet"));
}

std::optional<ApiError> check_sampling(const ServedModel& model, Fields& fields,
                                       const char* length) {
  SamplingFields sampling;
  read_sampling(fields, model.limits, model.defaults, sampling);
  fields.integer(length, sampling.max_tokens, {1, int64_t{1} << 62});
  return fields.error();
}

}  // namespace

std::optional<HttpResponse> Routes::embeddings(Call& call) {
  Fields fields(*call.body);
  const Json* input = fields.find("input");
  if (!input && !fields.find("messages")) fields.fail("input", "input is missing");
  if (input && (input->is_null() || input->empty())) {
    fields.fail("input", "input must not be empty");
  }
  if (fields.error()) return error_response(*fields.error());
  return error_response(
      bad_request("model", "the model " + call.model().names.front() +
                               " generates text: it does not support the embeddings API"));
}

std::optional<HttpResponse> Routes::responses(Call& call) {
  Fields fields(*call.body);
  const Json* input = fields.find("input");
  if (!input || !(input->is_string() || input->is_array()) || input->empty()) {
    fields.fail("input", "input must be a string or a list of items");
  }
  if (fields.find("previous_response_id")) {
    fields.fail("previous_response_id", "this server stores no responses");
  }
  if (const auto error = check_sampling(call.model(), fields, "max_output_tokens")) {
    return error_response(*error);
  }
  return not_yet("/v1/responses");
}

std::optional<HttpResponse> Routes::messages(Call& call) {
  Fields fields(*call.body);
  if (!fields.find("max_tokens")) fields.fail("max_tokens", "max_tokens is missing");
  ChatInput input;
  read_chat_input(fields, input);
  if (const auto error = check_sampling(call.model(), fields, "max_tokens")) {
    return error_response(*error);
  }
  return not_yet("/v1/messages");
}

}  // namespace octavo::serve
