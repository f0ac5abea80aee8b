#include "model/families.h"

namespace octavo::family {

ModelSpec mistral(const Config& c) {
  const Dims d = read_dims(c);
  const NormSpec norm = rms(read_eps(c, "rms_norm_eps"));
  return decoder(
      c, d,
      {.norm_mixer = norm,
       .mixer = AttentionSpec{.heads = d.heads,
                              .kv_heads = d.kv_heads,
                              .head_dim = d.head_dim,
                              .rope = read_rope(c, d.head_dim),
                              .window = c.integer_or("sliding_window", 1, int64_t{1} << 31, 0),
                              .scale = default_scale(d.head_dim)},
       .norm_ffn = norm,
       .ffn = MlpSpec{.hidden = d.ffn, .act = read_act(c, {"hidden_act"}), .gated = true}});
}

}  // namespace octavo::family
