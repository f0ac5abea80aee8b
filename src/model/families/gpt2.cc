#include "model/families.h"

namespace octavo::family {
namespace {

ModelSpec with_positions(const Config& c, Parts p) {
  p.set_biases(true, true);
  if (!c.flag_or("scale_attn_weights", true)) p.attention.scale = 1;
  ModelSpec spec = decoder(p);
  spec.embedding.learned_positions = p.dims.max_positions;
  spec.names = gpt2_names();
  spec.names.positions = "wpe";
  spec.names.qkv = "attn.c_attn";
  spec.names.qkv_rows = QkvRows::blocks;
  return spec;
}

constexpr PartKeys kKeys{.dims = kGpt2Dims,
                         .norm = NormSpec::Kind::layer,
                         .eps = "layer_norm_epsilon",
                         .act = "activation_function",
                         .gated = false,
                         .rope = {},
                         .tied = true};

}  // namespace

ModelSpec gpt2(const Config& c) {
  ModelSpec spec = with_positions(c, read_parts(c, kKeys));
  spec.names.transposed = true;
  if (!c.flag_or("scale_attn_by_inverse_layer_idx", false)) return spec;
  for (size_t i = 0; i < spec.layers.size(); ++i)
    std::get<AttentionSpec>(spec.layers[i].mixer).scale /= static_cast<float>(i + 1);
  return spec;
}

// One kv head for all, or as many as heads and then fused head by head.
ModelSpec gpt_bigcode(const Config& c) {
  Parts p = read_parts(c, kKeys);
  const bool shared = c.flag_or("multi_query", true);
  if (shared) p.attention.kv_heads = 1;
  ModelSpec spec = with_positions(c, p);
  if (!shared) spec.names.qkv_rows = QkvRows::groups;
  return spec;
}
}  // namespace octavo::family
