#include "model/families.h"

namespace octavo::family {

ModelSpec qwen2(const Config& c) {
  const Dims d = read_dims(c);
  const NormSpec norm = rms(read_eps(c, "rms_norm_eps"));
  const AttentionSpec attention{.heads = d.heads,
                                .kv_heads = d.kv_heads,
                                .head_dim = d.head_dim,
                                .qkv_bias = true,
                                .rope = read_rope(c, d.head_dim),
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
