#include "model/families.h"

namespace octavo::family {
ModelSpec phi3(const Config& c) {
  Parts p = read_parts(c);
  p.attention.window = c.integer_or("sliding_window", 1, int64_t{1} << 31, 0);
  ModelSpec spec = decoder(p);
  spec.names.qkv = "self_attn.qkv_proj";
  spec.names.qkv_rows = QkvRows::blocks;
  spec.names.gate_up = "mlp.gate_up_proj";
  return spec;
}
}  // namespace octavo::family
