#include "model/families.h"

namespace octavo::family {
ModelSpec mpt(const Config& c) {
  Parts p = read_parts(c, {.dims = {.hidden = "d_model",
                                    .heads = "n_heads",
                                    .kv_heads = {},
                                    .ffn = {},
                                    .layers = "n_layers",
                                    .max_positions = "max_seq_len",
                                    .ffn_factor = 4},
                           .norm = NormSpec::Kind::layer,
                           .eps = "layer_norm_epsilon",
                           .fixed_eps = 1e-5,
                           .fixed_act = Act::gelu,
                           .gated = false,
                           .rope = {},
                           .tied = true});
  p.norm.bias = false;
  const Config attention = c.needed_section("attn_config");
  if (attention.flag_or("qk_ln", false)) attention.fail("qk_ln", "not supported");
  p.attention.qkv_clip = static_cast<float>(attention.number_within_or("clip_qkv", 0, 1e6, 0));
  p.attention.scale = static_cast<float>(attention.factor_or("softmax_scale", p.attention.scale));
  const bool alibi = attention.flag_or("alibi", true);
  if (alibi)
    p.attention.alibi.slopes = mpt_slopes(p.dims.heads, attention.factor_or("alibi_bias_max", 8));
  ModelSpec spec = decoder(p);
  if (!alibi) spec.embedding.learned_positions = p.dims.max_positions;
  spec.names = {.root = "transformer.",
                .embedding = "wte",
                .positions = "wpe",
                .final_norm = "norm_f",
                .layer = "blocks.{}.",
                .norm_mixer = "norm_1",
                .norm_ffn = "norm_2",
                .o = "attn.out_proj",
                .qkv = "attn.Wqkv",
                .qkv_rows = QkvRows::blocks,
                .up = "ffn.up_proj",
                .down = "ffn.down_proj"};
  return spec;
}
}  // namespace octavo::family
