#include "model/families.h"

namespace octavo::family {
// Half of each head rotates, by a base that grows with rope_ratio.
ModelSpec chatglm(const Config& c) {
  const bool shared = c.flag_or("multi_query_attention", false);
  Parts p = read_parts(
      c, {.dims = {.kv_heads = shared ? "multi_query_group_num" : "",
                   .head_dim = "kv_channels",
                   .ffn = "ffn_hidden_size",
                   .layers = "num_layers|num_hidden_layers",
                   .vocab = "padded_vocab_size|vocab_size",
                   .max_positions = "seq_length"},
          .norm = c.flag_or("rmsnorm", true) ? NormSpec::Kind::rms : NormSpec::Kind::layer,
          .eps = "layernorm_epsilon",
          .fixed_act = Act::silu,
          .rope = RopeKeys{.default_theta = 1e4 * c.factor_or("rope_ratio", 1),
                           .default_partial = 0.5,
                           .pairs = RopePairs::interleaved}});
  const bool bias = c.flag_or("add_bias_linear", false);
  p.set_biases(bias, bias);
  p.attention.qkv_bias = bias || c.flag_or("add_qkv_bias", false);
  LayerSpec layer = p.layer();
  layer.residual_is_normed = c.flag_or("apply_residual_connection_post_layernorm", false);
  ModelSpec spec = decoder(p, layer);
  if (!c.flag_or("post_layer_norm", true)) spec.final_norm = {};
  spec.names = {.root = "transformer.",
                .embedding = "embedding.word_embeddings",
                .final_norm = "encoder.final_layernorm",
                .head = "transformer.output_layer",
                .layer = "encoder.layers.{}.",
                .o = "self_attention.dense",
                .qkv = "self_attention.query_key_value",
                .qkv_rows = QkvRows::blocks,
                .down = "mlp.dense_4h_to_h",
                .gate_up = "mlp.dense_h_to_4h"};
  return spec;
}
}  // namespace octavo::family
