// Bytes of a request's body through JSON and both request parsers, as the routes run them, and what
// they name back through the writer of events.
#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string_view>

#include "base/check.h"
#include "base/json.h"
#include "octavo/error.h"
#include "serve/chat_request.h"
#include "serve/completion_request.h"
#include "serve/sse.h"

using namespace octavo;
using namespace octavo::serve;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const ServeLimits limits{.vocab = 1000, .max_model_len = 512};
  Json body;
  try {
    body = parse_json({reinterpret_cast<const char*>(data), size}, "body");
  } catch (const Error&) {
    return 0;
  }
  CompletionRequest completion;
  if (const auto error = parse_completion_request(body, limits, {}, completion)) {
    const std::string event = sse_event(error_json(*error));
    OCTAVO_CHECK(event.find('\n') == event.size() - 2);
  } else {
    OCTAVO_CHECK(!completion.prompts.empty());
    OCTAVO_CHECK(completion.sampling.n >= 1 && completion.sampling.n <= limits.max_n);
  }
  ChatRequest chat;
  if (!parse_chat_request(body, limits, {}, chat)) OCTAVO_CHECK(!chat.input.messages->empty());
  return 0;
}
