#include "model/families.h"

namespace octavo::family {
ModelSpec exaone(const Config& c) {
  const Parts p = read_parts(c, {.dims = {.layers = "num_layers|num_hidden_layers"},
                                 .eps = "layer_norm_epsilon",
                                 .act = "activation_function"});
  ModelSpec spec = decoder(p);
  spec.names = gpt2_names();
  spec.names.q = "attn.attention.q_proj";
  spec.names.k = "attn.attention.k_proj";
  spec.names.v = "attn.attention.v_proj";
  spec.names.o = "attn.attention.out_proj";
  spec.names.gate = "mlp.c_fc_0";
  spec.names.up = "mlp.c_fc_1";
  return spec;
}
}  // namespace octavo::family
