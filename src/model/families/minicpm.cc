#include <cmath>

#include "model/families.h"

namespace octavo::family {
ModelSpec minicpm(const Config& c) {
  const Parts p = read_parts(c, {.tied = true});
  LayerSpec layer = p.layer();
  layer.residual_scale =
      static_cast<float>(c.factor("scale_depth") / std::sqrt(static_cast<double>(p.dims.layers)));
  ModelSpec spec = decoder(p, layer);
  spec.embedding.scale = static_cast<float>(c.factor("scale_emb"));
  spec.head.scale =
      static_cast<float>(c.factor("dim_model_base") / static_cast<double>(p.dims.hidden));
  return spec;
}
}  // namespace octavo::family
