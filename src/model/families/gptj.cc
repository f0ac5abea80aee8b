#include "model/families.h"

namespace octavo::family {
namespace {

ModelSpec parallel_with_rope(const Config& c) {
  Parts p = read_parts(c, {.dims = kGpt2Dims,
                           .norm = NormSpec::Kind::layer,
                           .eps = "layer_norm_epsilon",
                           .act = "activation_function",
                           .gated = false,
                           .rope = RopeKeys{.pairs = RopePairs::interleaved}});
  const int64_t e = p.dims.head_dim;
  p.attention.rope->dim = c.integer_or("rotary_dim", 2, e, e) / 2 * 2;
  p.mlp.bias = true;
  ModelSpec spec = decoder(p, p.one_norm_layer());
  spec.head.bias = true;
  spec.names = gpt2_names();
  spec.names.q = "attn.q_proj";
  spec.names.k = "attn.k_proj";
  spec.names.v = "attn.v_proj";
  spec.names.o = "attn.out_proj";
  spec.names.up = "mlp.fc_in";
  spec.names.down = "mlp.fc_out";
  return spec;
}

}  // namespace

ModelSpec gptj(const Config& c) { return parallel_with_rope(c); }

ModelSpec codegen(const Config& c) {
  ModelSpec spec = parallel_with_rope(c);
  if (c.integer("n_head", 1, 4096) % 4 != 0) c.fail("n_head", "not a multiple of 4");
  spec.names.qkv = "attn.qkv_proj";
  spec.names.qkv_rows = QkvRows::quarters;
  return spec;
}
}  // namespace octavo::family
