#include "model/families.h"

namespace octavo::family {
ModelSpec starcoder2(const Config& c) {
  Parts p = read_parts(
      c, {.norm = NormSpec::Kind::layer, .eps = "norm_epsilon", .gated = false, .tied = true});
  const bool bias = c.flag_or("use_bias", true);
  p.set_biases(bias, bias);
  p.attention.window = c.integer_or("sliding_window", 1, int64_t{1} << 31, 0);
  ModelSpec spec = decoder(p);
  spec.names.up = "mlp.c_fc";
  spec.names.down = "mlp.c_proj";
  return spec;
}
}  // namespace octavo::family
