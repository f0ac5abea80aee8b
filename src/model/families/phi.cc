#include "model/families.h"

namespace octavo::family {
ModelSpec phi(const Config& c) {
  Parts p = read_parts(c, {.norm = NormSpec::Kind::layer,
                           .eps = "layer_norm_eps",
                           .gated = false,
                           .rope = RopeKeys{.default_partial = 0.5}});
  p.set_biases(true, true);
  if (c.flag_or("qk_layernorm", false)) p.attention.qk_norm.norm = p.norm;
  ModelSpec spec = decoder(p, p.one_norm_layer());
  spec.head.bias = true;
  spec.names.final_norm = "final_layernorm";
  spec.names.o = "self_attn.dense";
  spec.names.up = "mlp.fc1";
  spec.names.down = "mlp.fc2";
  spec.names.q_norm = "self_attn.q_layernorm";
  spec.names.k_norm = "self_attn.k_layernorm";
  return spec;
}
}  // namespace octavo::family
