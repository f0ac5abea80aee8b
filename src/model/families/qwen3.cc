#include "model/families.h"

namespace octavo::family {
ModelSpec qwen3(const Config& c) {
  Parts p = read_parts(c);
  p.set_biases(c.flag_or("attention_bias", false), false);
  p.attention.qk_norm.norm = p.norm;
  ModelSpec spec = decoder(p);
  set_qwen_window(spec, c, p.attention);
  return spec;
}
}  // namespace octavo::family
