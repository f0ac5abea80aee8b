#include <cmath>

#include "model/families.h"

namespace octavo::family {
namespace {

// The shape of a fairseq decoder: the embedding scaled by √hidden, positions from the third row on.
ModelSpec fairseq(const Config& c, Parts p, std::string root) {
  p.set_biases(true, true);
  ModelSpec spec = decoder(p);
  if (c.flag_or("scale_embedding", true))
    spec.embedding.scale = static_cast<float>(std::sqrt(static_cast<double>(p.dims.hidden)));
  spec.embedding.position_offset = 2;
  spec.names = fairseq_names(std::move(root));
  return spec;
}

}  // namespace

ModelSpec xglm(const Config& c) {
  const Parts p = read_parts(c, {.dims = {.hidden = "d_model",
                                          .heads = "attention_heads",
                                          .ffn = "ffn_dim",
                                          .layers = "num_layers"},
                                 .norm = NormSpec::Kind::layer,
                                 .fixed_eps = 1e-5,
                                 .act = "activation_function",
                                 .gated = false,
                                 .rope = {},
                                 .tied = true});
  ModelSpec spec = fairseq(c, p, "model.");
  spec.embedding.sinusoids = true;
  return spec;
}

ModelSpec biogpt(const Config& c) {
  const Parts p = read_parts(c, {.norm = NormSpec::Kind::layer,
                                 .eps = "layer_norm_eps",
                                 .gated = false,
                                 .rope = {},
                                 .tied = true});
  ModelSpec spec = fairseq(c, p, "biogpt.");
  spec.embedding.learned_positions = p.dims.max_positions + 2;
  return spec;
}
}  // namespace octavo::family
