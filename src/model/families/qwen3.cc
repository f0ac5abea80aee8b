#include "model/families.h"

namespace octavo::family {

ModelSpec qwen3(const Config& c) {
  const Dims d = read_dims(c);
  const NormSpec norm = rms(read_eps(c, "rms_norm_eps"));
  const bool bias = c.flag_or("attention_bias", false);
  const AttentionSpec attention{.heads = d.heads,
                                .kv_heads = d.kv_heads,
                                .head_dim = d.head_dim,
                                .qkv_bias = bias,
                                .out_bias = bias,
                                .rope = read_rope(c, d.head_dim),
                                .qk_norm = norm,
                                .scale = default_scale(d.head_dim)};
  ModelSpec spec =
      decoder(c, d,
              {.norm_mixer = norm,
               .mixer = attention,
               .norm_ffn = norm,
               .ffn = MlpSpec{.hidden = d.ffn, .act = read_act(c, {"hidden_act"}), .gated = true}});
  set_qwen_window(spec, c, attention);
  return spec;
}

}  // namespace octavo::family
