#include "model/families.h"

namespace octavo::family {
// Beyond the trained length queries grow by its logarithm and the base of the rope in steps.
ModelSpec qwen1(const Config& c) {
  Parts p = read_parts(c, {.dims = {.head_dim = "kv_channels"},
                           .eps = "layer_norm_epsilon",
                           .fixed_act = Act::silu,
                           .rope = RopeKeys{.theta = "rotary_emb_base", .partial = "rotary_pct"}});
  const int64_t trained = c.integer("seq_length", 2, 1 << 30);
  p.attention.qkv_bias = true;
  p.attention.out_bias = p.mlp.bias = !c.flag_or("no_bias", true);
  if (c.flag_or("use_logn_attn", false))
    p.attention.query_scale = {.kind = QueryScaleSpec::Kind::log, .trained_tokens = trained};
  if (c.flag_or("use_dynamic_ntk", false))
    p.attention.rope->scaling = RopeSpec::DynamicSteps{trained};
  p.mlp.hidden /= 2;  // the config counts gate and up together
  ModelSpec spec = decoder(p);
  spec.names = gpt2_names();
  spec.names.qkv = "attn.c_attn";
  spec.names.qkv_rows = QkvRows::blocks;
  spec.names.gate = "mlp.w2";
  spec.names.up = "mlp.w1";
  return spec;
}
}  // namespace octavo::family
