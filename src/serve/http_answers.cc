#include "serve/http_answers.h"

#include "base/json.h"

namespace octavo::serve {

HttpResponse json_response(const Json& json) { return {.body = to_line(json)}; }

HttpResponse error_response(const ApiError& error) {
  HttpResponse response{.status = error.status, .body = error_body(error)};
  if (error.retry_after_s > 0) {
    response.headers.emplace_back("Retry-After", std::to_string(error.retry_after_s));
  }
  return response;
}

}  // namespace octavo::serve
