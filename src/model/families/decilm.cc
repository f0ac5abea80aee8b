#include "model/families.h"

namespace octavo::family {
// Each layer has its own number of kv heads.
ModelSpec decilm(const Config& c) {
  Parts p = read_parts(c);
  p.set_biases(c.flag_or("attention_bias", false), false);
  ModelSpec spec = decoder(p);
  const auto kv_heads = c.integers("num_key_value_heads_per_layer", 1, p.dims.heads);
  if (kv_heads.size() != spec.layers.size())
    c.fail("num_key_value_heads_per_layer", "not one number a layer");
  for (size_t i = 0; i < spec.layers.size(); ++i) {
    if (p.dims.heads % kv_heads[i] != 0)
      c.fail("num_key_value_heads_per_layer", "a number does not divide the heads");
    p.attention.kv_heads = kv_heads[i];
    spec.layers[i].mixer = p.attention;
  }
  return spec;
}
}  // namespace octavo::family
