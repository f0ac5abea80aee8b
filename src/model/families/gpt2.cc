#include "model/families.h"

namespace octavo::family {

ModelSpec gpt2(const Config& c) {
  const int64_t hidden = c.integer("n_embd", 1, 1 << 20);
  const Dims d = read_dims(c, {.hidden = "n_embd",
                               .heads = "n_head",
                               .kv_heads = {},
                               .ffn = "n_inner",
                               .layers = "n_layer",
                               .max_positions = "n_positions",
                               .ffn_otherwise = 4 * hidden});
  const NormSpec norm = layer_norm(read_eps(c, "layer_norm_epsilon"));
  AttentionSpec attention{.heads = d.heads,
                          .kv_heads = d.heads,
                          .head_dim = d.head_dim,
                          .qkv_bias = true,
                          .out_bias = true};
  attention.scale = c.flag_or("scale_attn_weights", true) ? default_scale(d.head_dim) : 1;
  ModelSpec spec = decoder(
      c, d,
      {.norm_mixer = norm,
       .mixer = attention,
       .norm_ffn = norm,
       .ffn = MlpSpec{.hidden = d.ffn, .act = read_act(c, {"activation_function"}), .bias = true}});
  if (c.flag_or("scale_attn_by_inverse_layer_idx", false)) {
    for (int64_t i = 0; i < d.layers; ++i)
      std::get<AttentionSpec>(spec.layers[i].mixer).scale /= static_cast<float>(i + 1);
  }
  spec.embedding.learned_positions = d.max_positions;
  spec.head.tied = c.flag_or("tie_word_embeddings", true);
  spec.names = {.root = "transformer.",
                .embedding = "wte",
                .positions = "wpe",
                .final_norm = "ln_f",
                .layer = "h.{}.",
                .norm_mixer = "ln_1",
                .norm_ffn = "ln_2",
                .o = "attn.c_proj",
                .qkv = "attn.c_attn",
                .qkv_rows = QkvRows::blocks,
                .up = "mlp.c_fc",
                .down = "mlp.c_proj",
                .transposed = true};
  return spec;
}

}  // namespace octavo::family
