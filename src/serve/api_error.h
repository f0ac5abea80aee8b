#pragma once

#include <string>

#include "base/json_fwd.h"
#include "octavo/request.h"

namespace octavo::serve {

// Why a request is refused, as the client sees it. A value: bad requests are no exceptions.
struct ApiError {
  int status = 400;
  std::string type = "BadRequestError";
  std::string param = {};  // the field at fault; empty: none in particular
  std::string message = {};
  int retry_after_s = 0;  // > 0: sent as Retry-After
};

ApiError bad_request(std::string param, std::string message);
ApiError not_found(std::string param, std::string message);
ApiError overloaded(std::string message, int retry_after_s);
// Of an event with Finish::rejected: 400, or 429 or 503 with Retry-After.
ApiError refusal(const Event& event);
// The standard type for a status that needs no field: 401, 404, 405, 408, 413, 415, 431, 500, 503.
ApiError http_error(int status, std::string message);

// {"error": {"message", "type", "param", "code"}}; the message is capped at 1000 bytes.
Json error_json(const ApiError& error);
std::string error_body(const ApiError& error);

}  // namespace octavo::serve
