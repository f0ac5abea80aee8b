#include "model/families.h"

namespace octavo::family {

ModelSpec gpt_neox(const Config& c) {
  const Dims d = read_dims(c);
  const NormSpec norm = layer_norm(read_eps(c, "layer_norm_eps"));
  const bool bias = c.flag_or("attention_bias", true);
  const bool parallel = c.flag_or("use_parallel_residual", true);
  ModelSpec spec = decoder(
      c, d,
      {.norm_mixer = norm,
       .mixer =
           AttentionSpec{.heads = d.heads,
                         .kv_heads = d.heads,
                         .head_dim = d.head_dim,
                         .qkv_bias = bias,
                         .out_bias = bias,
                         .rope = read_rope(c, d.head_dim,
                                           {.theta = "rotary_emb_base", .partial = "rotary_pct"}),
                         .scale = default_scale(d.head_dim)},
       .norm_ffn = norm,
       .ffn = MlpSpec{.hidden = d.ffn, .act = read_act(c, {"hidden_act"}), .bias = true},
       .wiring = parallel ? LayerSpec::Wiring::parallel : LayerSpec::Wiring::sequential});
  spec.names = {.root = "gpt_neox.",
                .embedding = "embed_in",
                .final_norm = "final_layer_norm",
                .head = "embed_out",
                .o = "attention.dense",
                .qkv = "attention.query_key_value",
                .qkv_rows = QkvRows::per_head,
                .up = "mlp.dense_h_to_4h",
                .down = "mlp.dense_4h_to_h"};
  return spec;
}

}  // namespace octavo::family
