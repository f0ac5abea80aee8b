// A hostile file of a load (trace or conversations) or a hostile server's event stream: refused
// with an Error, or read within its bounds.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "measure/load/conversations.h"
#include "measure/load/event_stream.h"
#include "measure/load/trace.h"
#include "octavo/error.h"

using namespace octavo;
using namespace octavo::measure;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    double last = 0;
    for (const TraceRow& row : parse_trace(text, "fuzz", 0)) {
      OCTAVO_CHECK(row.at_s >= last && row.input_tokens >= 0 && row.output_tokens >= 0);
      last = row.at_s;
    }
  } catch (const Error&) {
  }
  try {
    for (const Exchange& e : parse_conversations(text, "fuzz"))
      OCTAVO_CHECK(!e.prompt.empty() && !e.answer.empty());
  } catch (const Error&) {
  }
  size_t events = 0;
  EventStream stream([&](std::string_view) { ++events; });
  for (size_t at = 0; at < size; at += 7) stream.take(text.substr(at, 7));
  OCTAVO_CHECK(events <= size);
  return 0;
}
