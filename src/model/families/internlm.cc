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
  return decoder(c, p);
}

ModelSpec internlm2(const Config& c) {
  Parts p = read_parts(c);
  p.attention.qkv_bias = p.attention.out_bias = c.flag_or("bias", false);
  ModelSpec spec = decoder(c, p);
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

ModelSpec internlm3(const Config& c) {
  Parts p = read_parts(c);
  p.attention.qkv_bias = c.flag_or("qkv_bias", false);
  p.attention.out_bias = p.mlp.bias = c.flag_or("bias", false);
  return decoder(c, p);
}

}  // namespace octavo::family
