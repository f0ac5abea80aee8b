#include "model/families.h"

namespace octavo::family {
namespace {

// Both blocks read one norm, which has no bias.
ModelSpec cohere_decoder(const Config& c, const Parts& p) {
  ModelSpec spec = decoder(p, p.one_norm_layer());
  spec.head.scale = static_cast<float>(c.factor_or("logit_scale", 1));
  return spec;
}

Parts read_cohere(const Config& c) {
  Parts p = read_parts(c, {.norm = NormSpec::Kind::layer,
                           .eps = "layer_norm_eps",
                           .rope = RopeKeys{.pairs = RopePairs::interleaved},
                           .tied = true});
  p.norm.bias = false;
  p.set_biases(c.flag_or("attention_bias", false), false);
  return p;
}

}  // namespace

ModelSpec cohere(const Config& c) {
  Parts p = read_cohere(c);
  if (c.flag_or("use_qk_norm", false))
    p.attention.qk_norm = {.norm = p.norm, .over = QkNormSpec::Over::own_head};
  return cohere_decoder(c, p);
}

// Layers with a window rotate, full ones do neither.
ModelSpec cohere2(const Config& c) {
  Parts p = read_cohere(c);
  AttentionSpec sliding = p.attention;
  sliding.window = c.integer("sliding_window", 1, int64_t{1} << 31);
  p.attention.rope.reset();
  ModelSpec spec = cohere_decoder(c, p);
  set_mixer(spec, read_sliding(c, p.dims.layers, all_but_every_nth), sliding);
  return spec;
}
}  // namespace octavo::family
