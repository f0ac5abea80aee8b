#include "model/families.h"

namespace octavo::family {
ModelSpec bitnet(const Config& c) {
  Parts p = read_parts(c);
  p.set_biases(c.flag_or("attention_bias", false), false);
  p.attention.out_norm = p.mlp.down_norm = p.norm;
  return decoder(p);
}
}  // namespace octavo::family
