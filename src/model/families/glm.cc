#include "model/families.h"

namespace octavo::family {
namespace {

constexpr PartKeys kKeys{.rope = RopeKeys{.default_partial = 0.5, .pairs = RopePairs::interleaved}};

}  // namespace

ModelSpec glm(const Config& c) {
  Parts p = read_parts(c, kKeys);
  p.attention.qkv_bias = c.flag_or("attention_bias", true);
  ModelSpec spec = decoder(p);
  spec.names.gate_up = "mlp.gate_up_proj";
  return spec;
}

ModelSpec glm4(const Config& c) {
  Parts p = read_parts(c, kKeys);
  p.attention.qkv_bias = c.flag_or("attention_bias", true);
  LayerSpec layer = p.layer();
  layer.post_mixer = layer.post_ffn = p.norm;
  ModelSpec spec = decoder(p, layer);
  spec.names.gate_up = "mlp.gate_up_proj";
  spec.names.post_mixer = "post_self_attn_layernorm";
  spec.names.post_ffn = "post_mlp_layernorm";
  return spec;
}
}  // namespace octavo::family
