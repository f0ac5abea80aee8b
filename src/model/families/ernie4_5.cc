#include "model/families.h"

namespace octavo::family {

ModelSpec ernie4_5(const Config& c) {
  Parts p = read_parts(c, {.rope = RopeKeys{.pairs = RopePairs::interleaved}});
  p.set_biases(c.flag_or("use_bias", false), c.flag_or("use_bias", false));
  ModelSpec spec = decoder(c, p);
  spec.head.tied = c.flag_or("tie_word_embeddings", true);
  return spec;
}

ModelSpec helium(const Config& c) {
  Parts p = read_parts(c, {.rope = RopeKeys{.pairs = RopePairs::interleaved}});
  p.attention.qkv_bias = c.flag_or("attention_bias", false);
  p.mlp.bias = c.flag_or("mlp_bias", false);
  return decoder(c, p);
}

}  // namespace octavo::family
