#include "model/families.h"

namespace octavo::family {

ModelSpec exaone(const Config& c) {
  const Parts p = read_parts(c, {.dims = {.layers = "num_layers|num_hidden_layers"},
                                 .eps = "layer_norm_epsilon",
                                 .act = "activation_function"});
  ModelSpec spec = decoder(c, p);
  spec.names = gpt2_names();
  spec.names.q = "attn.attention.q_proj";
  spec.names.k = "attn.attention.k_proj";
  spec.names.v = "attn.attention.v_proj";
  spec.names.o = "attn.attention.out_proj";
  spec.names.gate = "mlp.c_fc_0";
  spec.names.up = "mlp.c_fc_1";
  return spec;
}

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
  ModelSpec spec =
      decoder(c, p, {.mixer = p.attention, .post_mixer = p.norm, .ffn = p.mlp, .post_ffn = p.norm});
  if (windows) set_mixer(spec, read_sliding(c, p.dims.layers, all_but_every_nth), sliding);
  spec.names.post_mixer = "post_attention_layernorm";
  spec.names.post_ffn = "post_feedforward_layernorm";
  return spec;
}

}  // namespace octavo::family
