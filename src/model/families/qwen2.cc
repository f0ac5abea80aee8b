#include "model/families.h"

namespace octavo::family {
ModelSpec qwen2(const Config& c) {
  Parts p = read_parts(c);
  p.attention.qkv_bias = true;
  ModelSpec spec = decoder(p);
  set_qwen_window(spec, c, p.attention);
  return spec;
}
}  // namespace octavo::family
