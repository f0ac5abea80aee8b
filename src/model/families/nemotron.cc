#include "model/families.h"

namespace octavo::family {
// Norms multiply by 1 + w.
ModelSpec nemotron(const Config& c) {
  Parts p = read_parts(c, {.norm = NormSpec::Kind::layer,
                           .eps = "norm_eps",
                           .gated = false,
                           .rope = RopeKeys{.partial = "partial_rotary_factor|rope_percent",
                                            .default_partial = 0.5}});
  p.norm.offset = 1;
  p.set_biases(c.flag_or("attention_bias", false), c.flag_or("mlp_bias", false));
  return decoder(p);
}
}  // namespace octavo::family
