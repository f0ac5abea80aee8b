#include "model/families.h"

namespace octavo::family {
ModelSpec persimmon(const Config& c) {
  Parts p = read_parts(c, {.dims = {.kv_heads = {}},
                           .norm = NormSpec::Kind::layer,
                           .eps = "layer_norm_eps",
                           .gated = false,
                           .rope = RopeKeys{.default_partial = 0.5}});
  p.set_biases(true, true);
  if (c.flag_or("qk_layernorm", true)) p.attention.qk_norm.norm = p.norm;
  ModelSpec spec = decoder(p);
  spec.names = {.root = "model.",
                .final_norm = "final_layernorm",
                .o = "self_attn.dense",
                .qkv = "self_attn.query_key_value",
                .qkv_rows = QkvRows::groups,
                .q_norm = "self_attn.q_layernorm",
                .k_norm = "self_attn.k_layernorm",
                .up = "mlp.dense_h_to_4h",
                .down = "mlp.dense_4h_to_h"};
  return spec;
}
}  // namespace octavo::family
