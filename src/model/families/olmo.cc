#include "model/families.h"

namespace octavo::family {
ModelSpec olmo(const Config& c) {
  Parts p = read_parts(c, {.norm = NormSpec::Kind::layer, .fixed_eps = 1e-5});
  p.norm.weight = p.norm.bias = false;
  p.set_biases(c.flag_or("attention_bias", false), false);
  p.attention.qkv_clip = static_cast<float>(c.number_within_or("clip_qkv", 0, 1e6, 0));
  return decoder(p);
}
}  // namespace octavo::family
