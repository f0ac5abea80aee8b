#include "model/families.h"

namespace octavo::family {
// Scores are not scaled; the layers named "local" see a window.
ModelSpec gpt_neo(const Config& c) {
  Parts p = read_parts(c, {.dims = {.heads = "num_heads", .layers = "num_layers", .ffn_factor = 4},
                           .norm = NormSpec::Kind::layer,
                           .eps = "layer_norm_epsilon",
                           .act = "activation_function",
                           .gated = false,
                           .rope = {},
                           .tied = true});
  p.attention.out_bias = p.mlp.bias = true;
  p.attention.scale = 1;
  ModelSpec spec = decoder(p);
  p.attention.window = c.integer("window_size", 1, int64_t{1} << 31);
  const auto kinds = c.texts_or_empty("attention_layers");
  if (static_cast<int64_t>(kinds.size()) != p.dims.layers)
    c.fail("attention_layers", "not one entry a layer");
  for (size_t i = 0; i < kinds.size(); ++i) {
    if (kinds[i] == "local") spec.layers[i].mixer = p.attention;
  }
  spec.embedding.learned_positions = p.dims.max_positions;
  spec.names = gpt2_names();
  spec.names.positions = "wpe";
  spec.names.q = "attn.attention.q_proj";
  spec.names.k = "attn.attention.k_proj";
  spec.names.v = "attn.attention.v_proj";
  spec.names.o = "attn.attention.out_proj";
  return spec;
}
}  // namespace octavo::family
