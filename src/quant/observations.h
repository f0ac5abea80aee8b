#pragma once

#include <map>
#include <vector>

#include "quant/layer_job.h"

namespace octavo::quant {

// What AWQ wants to know of a layer's inputs, by the first role of each set of matrices that share
// one. All sums run sample after sample, so they do not depend on ranges or threads.
struct Observed {
  int64_t in = 0;
  std::vector<float> mean_abs;  // [in] mean |x| over all rows
  std::vector<float> rows;      // [search rows, in] those of the search samples
  // Σ x xᵀ within groups of so many inputs, group after group [size, size]; the last group may be
  // shorter and is stored with its own size.
  std::map<int64_t, std::vector<float>> moments;
};

struct Observations {
  // What searches run on: the beginnings of samples spread over all of them.
  std::vector<std::vector<TokenId>> search_samples;
  SampleRange search;  // all of these
  std::map<Role, Observed> inputs;
};

// Walks the layer over all samples. `moments` for the groups of matrices whose limits are searched;
// `advance`: the outputs become the next states.
struct ObserveOptions {
  int64_t search_rows = 1024;
  bool moments = true, advance = true;
};
Observations observe(LayerJob& job, const ObserveOptions& options);

// Where group `g` of moments of groups of `size` begins.
inline size_t moments_offset(int64_t g, int64_t size) {
  return static_cast<size_t>(g * size * size);
}

}  // namespace octavo::quant
