// Bytes as what a model puts out, through detokenizer, stop strings and log-probabilities into the
// events of a stream.
#include <cstddef>
#include <cstdint>

#include "serve/event_script.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  octavo::serve::run_event_script({data, size});
  return 0;
}
