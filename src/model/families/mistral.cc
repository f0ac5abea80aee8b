#include "model/families.h"

namespace octavo::family {
// A window on all layers, or on those that layer_types names (Ministral); Ministral 3 makes the
// queries of far positions longer.
ModelSpec mistral(const Config& c) {
  Parts p = read_parts(c);
  const auto scaling = rope_section(c);
  if (scaling && scaling->has("llama_4_scaling_beta")) {
    p.attention.query_scale = {
        .kind = QueryScaleSpec::Kind::steps,
        .beta = scaling->number_within("llama_4_scaling_beta", 0, 1e6),
        .trained_tokens = scaling->integer("original_max_position_embeddings", 1, 1 << 30)};
  }
  ModelSpec spec = decoder(p);
  p.attention.window = c.integer_or("sliding_window", 1, int64_t{1} << 31, 0);
  set_mixer(spec, read_sliding(c, p.dims.layers, [](int64_t, const Config&) { return true; }),
            p.attention);
  return spec;
}
}  // namespace octavo::family
