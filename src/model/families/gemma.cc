#include <cmath>

#include "model/families.h"

namespace octavo::family {

// Norms multiply by 1 + w; the embedding is scaled by √hidden; "gelu" in old configs means the tanh
// form.
ModelSpec gemma(const Config& c) {
  const Dims d = read_dims(c);
  const NormSpec norm = rms(read_eps(c, "rms_norm_eps"), 1);
  ModelSpec spec = decoder(c, d,
                           {.norm_mixer = norm,
                            .mixer = AttentionSpec{.heads = d.heads,
                                                   .kv_heads = d.kv_heads,
                                                   .head_dim = d.head_dim,
                                                   .rope = read_rope(c, d.head_dim),
                                                   .scale = default_scale(d.head_dim)},
                            .norm_ffn = norm,
                            .ffn = MlpSpec{.hidden = d.ffn, .act = Act::gelu_tanh, .gated = true}});
  spec.embedding.scale = static_cast<float>(std::sqrt(static_cast<double>(d.hidden)));
  spec.head.tied = c.flag_or("tie_word_embeddings", true);
  return spec;
}

}  // namespace octavo::family
