// Bytes as what a model puts out, through detokenizer, stop strings and log-probabilities into the
// events of a stream.
#include <cstddef>
#include <cstdint>

#include "serve/event_script.h"
#include "serve/test_model.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const auto model = octavo::serve::test_model();  // making it takes longer than a run
  octavo::serve::run_event_script(*model, {data, size});
  return 0;
}
