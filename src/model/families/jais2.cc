#include "model/families.h"

namespace octavo::family {
ModelSpec jais2(const Config& c) {
  Parts p = read_parts(c, {.norm = NormSpec::Kind::layer, .eps = "layer_norm_eps", .gated = false});
  p.set_biases(c.flag_or("attention_bias", true), c.flag_or("mlp_bias", true));
  return decoder(p);
}
}  // namespace octavo::family
