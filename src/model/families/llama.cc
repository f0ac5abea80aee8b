#include "model/families.h"

namespace octavo::family {
// Also Yi, Aquila, Xverse and others that only renamed it.
ModelSpec llama(const Config& c) {
  Parts p = read_parts(c);
  p.set_biases(c.flag_or("attention_bias", false), c.flag_or("mlp_bias", false));
  return decoder(p);
}
}  // namespace octavo::family
