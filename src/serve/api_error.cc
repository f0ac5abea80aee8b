#include "serve/api_error.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/json.h"
#include "base/utf8.h"

namespace octavo::serve {
namespace {

constexpr size_t kMaxMessageBytes = 1000;

const char* type_of(int status) {
  switch (status) {
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "NotFoundError";
    case 405:
      return "MethodNotAllowed";
    case 408:
      return "RequestTimeout";
    case 413:
      return "PayloadTooLarge";
    case 415:
      return "UnsupportedMediaType";
    case 429:
      return "TooManyRequests";
    case 431:
      return "RequestHeaderFieldsTooLarge";
    case 500:
      return "InternalServerError";
    case 501:
      return "NotImplementedError";
    case 504:
      return "GatewayTimeout";
    case 503:
      return "ServiceUnavailable";
    default:
      return "BadRequestError";
  }
}

}  // namespace

ApiError bad_request(std::string param, std::string message) {
  return {.param = std::move(param), .message = std::move(message)};
}

ApiError not_found(std::string param, std::string message) {
  return {.status = 404,
          .type = type_of(404),
          .param = std::move(param),
          .message = std::move(message)};
}

ApiError overloaded(std::string message, int retry_after_s) {
  return {.status = 503,
          .type = type_of(503),
          .param = {},
          .message = std::move(message),
          .retry_after_s = retry_after_s};
}

ApiError refusal(const Event& event) {
  if (!event.overloaded) return bad_request(event.param, event.reason);
  const auto wait = static_cast<int>(std::clamp(std::ceil(event.retry_after_s), 1.0, 60.0));
  if (event.refused != Refused::tenant) return overloaded(event.reason, wait);
  ApiError error = http_error(429, event.reason);
  error.retry_after_s = wait;
  return error;
}

ApiError http_error(int status, std::string message) {
  return {.status = status, .type = type_of(status), .param = {}, .message = std::move(message)};
}

Json error_json(const ApiError& error) {
  std::string message = error.message;
  if (message.size() > kMaxMessageBytes) {
    message.resize(kMaxMessageBytes);
    message.resize(message.size() - utf8::incomplete_tail(message));
    message += "...";
  }
  Json inner;
  inner["message"] = std::move(message);
  inner["type"] = error.type;
  inner["param"] = error.param.empty() ? Json(nullptr) : Json(error.param);
  inner["code"] = error.status;
  Json body;
  body["error"] = std::move(inner);
  return body;
}

std::string error_body(const ApiError& error) { return to_line(error_json(error)); }

}  // namespace octavo::serve
