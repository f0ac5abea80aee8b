#include "model/families.h"

namespace octavo::family {
ModelSpec seed_oss(const Config& c) {
  Parts p = read_parts(c);
  p.attention.qkv_bias = c.flag_or("attention_bias", true);
  p.attention.out_bias = c.flag_or("attention_out_bias", false);
  p.mlp.bias = c.flag_or("mlp_bias", false);
  return decoder(p);
}
}  // namespace octavo::family
