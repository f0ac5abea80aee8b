#include "model/families.h"

namespace octavo::family {
ModelSpec gpt_neox(const Config& c) {
  Parts p = read_parts(c, {.dims = {.kv_heads = {}},
                           .norm = NormSpec::Kind::layer,
                           .eps = "layer_norm_eps",
                           .gated = false,
                           .rope = RopeKeys{.theta = "rotary_emb_base|rope_theta",
                                            .partial = "rotary_pct|partial_rotary_factor"}});
  p.set_biases(c.flag_or("attention_bias", true), true);
  LayerSpec layer = p.layer();
  if (c.flag_or("use_parallel_residual", true)) layer.wiring = LayerSpec::Wiring::parallel;
  ModelSpec spec = decoder(p, layer);
  spec.names = {.root = "gpt_neox.",
                .embedding = "embed_in",
                .final_norm = "final_layer_norm",
                .head = "embed_out",
                .o = "attention.dense",
                .qkv = "attention.query_key_value",
                .qkv_rows = QkvRows::groups,
                .up = "mlp.dense_h_to_4h",
                .down = "mlp.dense_4h_to_h"};
  return spec;
}
}  // namespace octavo::family
