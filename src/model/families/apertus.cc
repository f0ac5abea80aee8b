#include "model/families.h"

namespace octavo::family {
ModelSpec apertus(const Config& c) {
  Parts p = read_parts(c, {.gated = false});
  p.set_biases(c.flag_or("attention_bias", false), false);
  p.attention.qk_norm.norm = p.norm;
  ModelSpec spec = decoder(p);
  spec.names.norm_mixer = "attention_layernorm";
  spec.names.norm_ffn = "feedforward_layernorm";
  return spec;
}
}  // namespace octavo::family
