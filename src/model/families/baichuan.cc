#include "model/families.h"

namespace octavo::family {
// 13B, told by its missing position limit, has a linear bias by distance instead of a rope.
ModelSpec baichuan(const Config& c) {
  Parts p = read_parts(
      c, {.dims = {.kv_heads = {}, .max_positions = "max_position_embeddings|model_max_length"}});
  if (!c.has("max_position_embeddings")) {
    p.attention.rope.reset();
    p.attention.alibi.slopes = alibi_slopes(p.dims.heads);
  }
  if (p.dims.vocab == 125696)
    c.fail("vocab_size", "Baichuan 2, whose head is normalised, is not supported",
           "use the first Baichuan");
  ModelSpec spec = decoder(p);
  spec.names.qkv = "self_attn.W_pack";
  spec.names.qkv_rows = QkvRows::blocks;
  return spec;
}
}  // namespace octavo::family
