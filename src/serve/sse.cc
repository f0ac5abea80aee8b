#include "serve/sse.h"

#include "base/json.h"

namespace octavo::serve {

std::string sse_event(const Json& value) { return "data: " + to_line(value) + "\n\n"; }

}  // namespace octavo::serve
