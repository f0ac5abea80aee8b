#include "model/families.h"

namespace octavo::family {
ModelSpec internlm(const Config& c) {
  const auto rotary = c.section("rotary");
  const double theta = rotary ? rotary->number_within_or("base", 2, 1e15, 10000) : 10000;
  Parts p = read_parts(c, {.rope = RopeKeys{.default_theta = theta}});
  p.attention.qkv_bias = p.attention.out_bias = c.flag_or("bias", true);
  if (rotary && rotary->text_or("type", "origin") == "dynamic")
    p.attention.rope->scaling =
        RopeSpec::Dynamic{rotary->factor_or("scaling_factor", 1), p.dims.max_positions};
  return decoder(p);
}
}  // namespace octavo::family
