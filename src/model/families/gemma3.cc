#include <cmath>

#include "model/families.h"

namespace octavo::family {

// Gemma 2 with norms on q and k; sliding layers have a rope of their own, without scaling.
ModelSpec gemma3(const Config& c) {
  const Dims d = read_dims(c);
  const NormSpec norm = rms(read_eps(c, "rms_norm_eps"), 1);
  AttentionSpec attention{
      .heads = d.heads,
      .kv_heads = d.kv_heads,
      .head_dim = d.head_dim,
      .rope = read_rope(c, d.head_dim, {.layer_type = "full_attention", .default_theta = 1e6}),
      .qk_norm = norm,
      .scale = static_cast<float>(1 / std::sqrt(c.factor("query_pre_attn_scalar"))),
      .softcap = static_cast<float>(c.number_within_or("attn_logit_softcapping", 0, 1e6, 0))};
  ModelSpec spec = decoder(c, d,
                           {.norm_mixer = norm,
                            .mixer = attention,
                            .post_mixer = norm,
                            .norm_ffn = norm,
                            .ffn = MlpSpec{.hidden = d.ffn,
                                           .act = read_act(c, {"hidden_activation", "hidden_act"}),
                                           .gated = true},
                            .post_ffn = norm});
  attention.window = c.integer("sliding_window", 1, int64_t{1} << 31);
  attention.rope = read_rope(
      c, d.head_dim,
      {.layer_type = "sliding_attention", .theta = "rope_local_base_freq", .scaled = false});
  const auto sliding = read_sliding(c, d.layers, [](int64_t i, const Config& config) {
    return (i + 1) % config.integer("sliding_window_pattern", 1, 4096) != 0;
  });
  set_mixer(spec, sliding, attention);
  spec.embedding.scale = static_cast<float>(std::sqrt(static_cast<double>(d.hidden)));
  spec.head.tied = c.flag_or("tie_word_embeddings", true);
  spec.head.softcap = static_cast<float>(c.number_within_or("final_logit_softcapping", 0, 1e6, 0));
  spec.names.post_mixer = "post_attention_layernorm";
  spec.names.norm_ffn = "pre_feedforward_layernorm";
  spec.names.post_ffn = "post_feedforward_layernorm";
  return spec;
}

}  // namespace octavo::family
