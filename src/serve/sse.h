#pragma once

#include <string>
#include <string_view>

#include "base/json_fwd.h"

namespace octavo::serve {

// Server-sent events (WHATWG HTML, section 9.2), data lines only.
inline constexpr std::string_view kSseType = "text/event-stream; charset=utf-8";
inline constexpr std::string_view kSseDone = "data: [DONE]\n\n";
// Clients skip it; what stands between sees that the connection lives.
inline constexpr std::string_view kSseComment = ": keep-alive\n\n";

// "data: JSON\n\n". The JSON is one line whatever its strings hold.
std::string sse_event(const Json& value);

}  // namespace octavo::serve
