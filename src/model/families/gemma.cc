#include <cmath>

#include "model/families.h"

namespace octavo::family {
namespace {

// Norms multiply by 1 + w.
Parts read_gemma(const Config& c, const PartKeys& keys) {
  Parts p = read_parts(c, keys);
  p.norm.offset = 1;
  return p;
}

// The embedding is scaled by √hidden and is the head.
ModelSpec gemma_decoder(const Parts& p, const LayerSpec& layer) {
  ModelSpec spec = decoder(p, layer);
  spec.embedding.scale = static_cast<float>(std::sqrt(static_cast<double>(p.dims.hidden)));
  return spec;
}

}  // namespace

// "gelu" in old configs means the tanh form.
ModelSpec gemma(const Config& c) {
  const Parts p = read_gemma(c, {.fixed_act = Act::gelu_tanh, .tied = true});
  return gemma_decoder(p, p.layer());
}

// Four norms a layer, soft caps, and a window on every other layer (Gemma 2) or all but every
// sixth, those with a rope of their own (Gemma 3, which has norms on q and k instead of caps).
ModelSpec gemma2(const Config& c) {
  const bool third = c.has("rope_local_base_freq") || c.architecture().starts_with("Gemma3");
  Parts p = read_gemma(
      c, {.act = "hidden_activation|hidden_act",
          .rope = RopeKeys{.layer_type = "full_attention", .default_theta = third ? 1e6 : 1e4},
          .tied = true});
  AttentionSpec& a = p.attention;
  a.scale = static_cast<float>(1 / std::sqrt(c.factor("query_pre_attn_scalar")));
  a.softcap = static_cast<float>(c.number_within_or("attn_logit_softcapping", 0, 1e6, 0));
  if (third) a.qk_norm.norm = p.norm;
  LayerSpec layer = p.layer();
  layer.post_mixer = layer.post_ffn = p.norm;
  ModelSpec spec = gemma_decoder(p, layer);
  a.window = c.integer("sliding_window", 1, int64_t{1} << 31);
  if (third)
    a.rope = read_rope(
        c, a.head_dim,
        {.layer_type = "sliding_attention", .theta = "rope_local_base_freq", .scaled = false});
  set_mixer(spec, read_sliding(c, p.dims.layers, third ? all_but_every_nth : every_other), a);
  spec.head.softcap = static_cast<float>(c.number_within_or("final_logit_softcapping", 0, 1e6, 0));
  spec.names.post_mixer = "post_attention_layernorm";
  spec.names.norm_ffn = "pre_feedforward_layernorm";
  spec.names.post_ffn = "post_feedforward_layernorm";
  return spec;
}
}  // namespace octavo::family
