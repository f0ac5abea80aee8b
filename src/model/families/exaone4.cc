#include "model/families.h"

namespace octavo::family {
// Norms behind the blocks; where there is a window, only the layers with it rotate.
ModelSpec exaone4(const Config& c) {
  Parts p = read_parts(c);
  p.attention.qk_norm.norm = p.norm;
  AttentionSpec sliding = p.attention;
  const bool windows = c.has("sliding_window");
  if (windows) {
    sliding.window = c.integer("sliding_window", 1, int64_t{1} << 31);
    p.attention.rope.reset();
  }
  ModelSpec spec = decoder_with_norms_behind(p);
  if (windows) set_mixer(spec, read_sliding(c, p.dims.layers, all_but_every_nth), sliding);
  return spec;
}
}  // namespace octavo::family
