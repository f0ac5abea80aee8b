#include "model/families.h"

namespace octavo::family {
ModelSpec stablelm(const Config& c) {
  Parts p = read_parts(
      c, {.norm = NormSpec::Kind::layer,
          .eps = "layer_norm_eps|norm_eps",
          .rope = RopeKeys{.partial = "partial_rotary_factor|rope_pct", .default_partial = 0.25}});
  p.attention.qkv_bias = c.flag_or("use_qkv_bias", false);
  if (c.flag_or("qk_layernorm", false)) {
    p.attention.qk_norm = {.norm = p.norm, .over = QkNormSpec::Over::own_head};
    p.attention.qk_norm.norm.bias = false;
  }
  const bool parallel = c.flag_or("use_parallel_residual", false);
  ModelSpec spec = decoder(p, parallel ? p.one_norm_layer() : p.layer());
  spec.names.q_norm = "self_attn.q_layernorm.norms.{}";
  spec.names.k_norm = "self_attn.k_layernorm.norms.{}";
  return spec;
}
}  // namespace octavo::family
