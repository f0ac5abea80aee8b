#include "model/families.h"

namespace octavo::family {
ModelSpec helium(const Config& c) {
  Parts p = read_parts(c, {.rope = RopeKeys{.pairs = RopePairs::interleaved}});
  p.attention.qkv_bias = c.flag_or("attention_bias", false);
  p.mlp.bias = c.flag_or("mlp_bias", false);
  return decoder(p);
}
}  // namespace octavo::family
