#include "model/families.h"

namespace octavo::family {
// Layers without rope, by default every fourth, are the ones that may have a window.
ModelSpec smollm3(const Config& c) {
  Parts p = read_parts(c, {.tied = true});
  p.set_biases(c.flag_or("attention_bias", false), c.flag_or("mlp_bias", false));
  ModelSpec spec = decoder(p);
  const int64_t interval = c.integer_or("no_rope_layer_interval", 1, 4096, 4);
  std::vector<bool> fixed(p.dims.layers);
  for (int64_t i = 0; i < p.dims.layers; ++i) fixed[i] = (i + 1) % interval == 0;
  if (c.has("no_rope_layers")) {
    const auto rotates = c.integers("no_rope_layers", 0, 1);
    if (rotates.size() != fixed.size()) c.fail("no_rope_layers", "not one number a layer");
    for (size_t i = 0; i < fixed.size(); ++i) fixed[i] = rotates[i] == 0;
  }
  p.attention.rope.reset();
  if (c.flag_or("use_sliding_window", false))
    p.attention.window = c.integer_or("sliding_window", 1, int64_t{1} << 31, 0);
  set_mixer(spec, fixed, p.attention);
  return spec;
}
}  // namespace octavo::family
