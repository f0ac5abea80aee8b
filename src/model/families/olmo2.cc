#include "model/derive.h"
#include "model/families.h"

namespace octavo::family {
ModelSpec olmo2(const Config& c) {
  Parts p = read_parts(c);
  p.set_biases(c.flag_or("attention_bias", false), false);
  p.attention.qk_norm = {.norm = p.norm, .over = QkNormSpec::Over::all_heads};
  return decoder_with_norms_behind(p);
}

// OLMo 2 with windows; only full layers scale their rope.
ModelSpec olmo3(const Config& c) {
  ModelSpec spec = olmo2(c);
  AttentionSpec sliding = attention_of(spec.layers.front());
  sliding.window = c.integer("sliding_window", 1, int64_t{1} << 31);
  sliding.rope =
      read_rope(c, sliding.head_dim, {.layer_type = "sliding_attention", .scaled = false});
  const auto pattern = [](int64_t i, const Config&) { return (i + 1) % 4 != 0; };
  set_mixer(spec, read_sliding(c, static_cast<int64_t>(spec.layers.size()), pattern), sliding);
  return spec;
}
}  // namespace octavo::family
