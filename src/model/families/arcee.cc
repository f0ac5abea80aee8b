#include "model/families.h"

namespace octavo::family {
ModelSpec arcee(const Config& c) {
  Parts p = read_parts(c, {.gated = false});
  p.set_biases(c.flag_or("attention_bias", false), c.flag_or("mlp_bias", false));
  return decoder(p);
}
}  // namespace octavo::family
