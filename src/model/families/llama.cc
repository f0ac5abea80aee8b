#include "model/families.h"

namespace octavo::family {

ModelSpec llama(const Config& c) {
  const Dims d = read_dims(c);
  const NormSpec norm = rms(read_eps(c, "rms_norm_eps"));
  const bool bias = c.flag_or("attention_bias", false);
  return decoder(c, d,
                 {.norm_mixer = norm,
                  .mixer = AttentionSpec{.heads = d.heads,
                                         .kv_heads = d.kv_heads,
                                         .head_dim = d.head_dim,
                                         .qkv_bias = bias,
                                         .out_bias = bias,
                                         .rope = read_rope(c, d.head_dim),
                                         .scale = default_scale(d.head_dim)},
                  .norm_ffn = norm,
                  .ffn = MlpSpec{.hidden = d.ffn,
                                 .act = read_act(c, {"hidden_act"}),
                                 .gated = true,
                                 .bias = c.flag_or("mlp_bias", false)}});
}

}  // namespace octavo::family
