#include "model/families.h"

namespace octavo::family {
ModelSpec ernie4_5(const Config& c) {
  Parts p = read_parts(c, {.rope = RopeKeys{.pairs = RopePairs::interleaved}, .tied = true});
  p.set_biases(c.flag_or("use_bias", false), c.flag_or("use_bias", false));
  ModelSpec spec = decoder(p);
  return spec;
}
}  // namespace octavo::family
