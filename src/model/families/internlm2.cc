#include "model/families.h"

namespace octavo::family {
ModelSpec internlm2(const Config& c) {
  Parts p = read_parts(c);
  p.attention.qkv_bias = p.attention.out_bias = c.flag_or("bias", false);
  ModelSpec spec = decoder(p);
  spec.names = {.root = "model.",
                .embedding = "tok_embeddings",
                .head = "output",
                .norm_mixer = "attention_norm",
                .norm_ffn = "ffn_norm",
                .o = "attention.wo",
                .qkv = "attention.wqkv",
                .qkv_rows = QkvRows::groups,
                .gate = "feed_forward.w1",
                .up = "feed_forward.w3",
                .down = "feed_forward.w2"};
  return spec;
}
}  // namespace octavo::family
