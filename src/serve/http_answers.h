#pragma once

#include "base/json_fwd.h"
#include "serve/api_error.h"
#include "serve/http.h"

namespace octavo::serve {

HttpResponse json_response(const Json& json);
// With Retry-After where the error has one.
HttpResponse error_response(const ApiError& error);

}  // namespace octavo::serve
