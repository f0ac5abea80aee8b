#include "model/families.h"

namespace octavo::family {
ModelSpec granite(const Config& c) {
  Parts p = read_parts(c);
  p.set_biases(c.flag_or("attention_bias", false), c.flag_or("mlp_bias", false));
  p.attention.scale = static_cast<float>(c.factor("attention_multiplier"));
  LayerSpec layer = p.layer();
  layer.residual_scale = static_cast<float>(c.factor("residual_multiplier"));
  ModelSpec spec = decoder(p, layer);
  spec.embedding.scale = static_cast<float>(c.factor("embedding_multiplier"));
  spec.head.scale = static_cast<float>(1 / c.factor("logits_scaling"));
  return spec;
}
}  // namespace octavo::family
