#include "model/families.h"

namespace octavo::family {
// OPT 350M: norms after the addition and a narrower embedding. Galactica: no biases, norms without
// weights.
ModelSpec opt(const Config& c) {
  Parts p = read_parts(c, {.dims = {.ffn = "ffn_dim"},
                           .norm = NormSpec::Kind::layer,
                           .fixed_eps = 1e-5,
                           .act = "activation_function",
                           .gated = false,
                           .rope = {},
                           .tied = true});
  const bool bias = c.flag_or("enable_bias", true),
             before = c.flag_or("do_layer_norm_before", true);
  p.set_biases(bias, bias);
  p.norm.weight = p.norm.bias = c.flag_or("layer_norm_elementwise_affine", true);
  LayerSpec layer = p.layer();
  if (!before) layer.wiring = LayerSpec::Wiring::norm_after;
  ModelSpec spec = decoder(p, layer);
  if (!before || c.flag_or("_remove_final_layer_norm", false)) spec.final_norm = {};
  const int64_t width = c.integer_or("word_embed_proj_dim", 1, 1 << 20, p.dims.hidden);
  if (width != p.dims.hidden) spec.embedding.width = width;
  spec.embedding.position_offset = 2;
  spec.embedding.learned_positions = p.dims.max_positions + 2;
  spec.names = fairseq_names("model.decoder.");
  spec.names.final_norm = "final_layer_norm";
  return spec;
}
}  // namespace octavo::family
