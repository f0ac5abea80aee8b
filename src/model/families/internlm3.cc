#include "model/families.h"

namespace octavo::family {
ModelSpec internlm3(const Config& c) {
  Parts p = read_parts(c);
  p.attention.qkv_bias = c.flag_or("qkv_bias", false);
  p.attention.out_bias = p.mlp.bias = c.flag_or("bias", false);
  return decoder(p);
}
}  // namespace octavo::family
