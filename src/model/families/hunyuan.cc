#include "model/families.h"

namespace octavo::family {
ModelSpec hunyuan(const Config& c) {
  Parts p = read_parts(c);
  p.set_biases(c.flag_or("attention_bias", false), false);
  p.attention.qk_norm = {.norm = p.norm, .after_rope = true};
  ModelSpec spec = decoder(p);
  spec.names.q_norm = "self_attn.query_layernorm";
  spec.names.k_norm = "self_attn.key_layernorm";
  return spec;
}
}  // namespace octavo::family
