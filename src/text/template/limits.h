#pragma once

#include <cstdint>

namespace octavo {

// Bounds of one rendering. A template is data from strangers, and so are its variables.
struct TemplateLimits {
  int64_t max_steps = 2'000'000;  // loop iterations and calls; smaller work counts in fractions
  int max_depth = 100;            // nested macro calls
  int64_t max_output_bytes = int64_t{64} << 20;  // of the result, and of any string on the way
  int64_t max_items = 1'000'000;                 // of any list or dict on the way
};

}  // namespace octavo
