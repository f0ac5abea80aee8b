#include "model/families.h"

namespace octavo::family {
ModelSpec bloom(const Config& c) {
  Parts p = read_parts(c, {.dims = {.hidden = "hidden_size|n_embed",
                                    .heads = "n_head|num_attention_heads",
                                    .kv_heads = {},
                                    .ffn = "n_inner",
                                    .layers = "n_layer|num_hidden_layers",
                                    .max_positions = "seq_length",
                                    .ffn_factor = 4,
                                    .positions_otherwise = 2048},
                           .norm = NormSpec::Kind::layer,
                           .eps = "layer_norm_epsilon",
                           .fixed_act = Act::gelu_tanh,
                           .gated = false,
                           .rope = {},
                           .tied = true});
  p.set_biases(true, true);
  p.attention.alibi.slopes = alibi_slopes(p.dims.heads);
  LayerSpec layer = p.layer();
  layer.residual_is_normed = c.flag_or("apply_residual_connection_post_layernorm", false);
  ModelSpec spec = decoder(p, layer);
  spec.embedding.norm = p.norm;
  spec.names = {.root = "transformer.",
                .embedding = "word_embeddings",
                .embedding_norm = "word_embeddings_layernorm",
                .final_norm = "ln_f",
                .layer = "h.{}.",
                .o = "self_attention.dense",
                .qkv = "self_attention.query_key_value",
                .qkv_rows = QkvRows::groups,
                .up = "mlp.dense_h_to_4h",
                .down = "mlp.dense_4h_to_h"};
  return spec;
}
}  // namespace octavo::family
