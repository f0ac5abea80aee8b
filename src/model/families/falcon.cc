#include "model/families.h"

namespace octavo::family {
namespace {

// One norm for both blocks (7B), two (40B), or one block after the other (RW).
LayerSpec wired(const Config& c, const Parts& p, Names& names) {
  const bool grouped = c.flag_or("new_decoder_architecture", false);
  if (!grouped && !c.flag_or("parallel_attn", true)) return p.layer();
  if (!grouped || c.integer_or("num_ln_in_parallel_attn", 1, 2, 2) == 1) return p.one_norm_layer();
  LayerSpec layer = p.layer();
  layer.wiring = LayerSpec::Wiring::parallel;
  names.norm_mixer = "ln_attn";
  names.norm_ffn = "ln_mlp";
  return layer;
}

}  // namespace

ModelSpec falcon(const Config& c) {
  Parts p = read_parts(c, {.dims = {.heads = "num_attention_heads|n_head",
                                    .kv_heads = "num_kv_heads|n_head_kv",
                                    .ffn = "ffn_hidden_size",
                                    .layers = "num_hidden_layers|n_layer",
                                    .ffn_factor = 4,
                                    .positions_otherwise = 2048},
                           .norm = NormSpec::Kind::layer,
                           .eps = "layer_norm_epsilon",
                           .act = "activation",
                           .fixed_act = Act::gelu,
                           .gated = false,
                           .tied = true});
  const bool grouped = c.flag_or("new_decoder_architecture", false);
  const bool shared = !grouped && c.flag_or("multi_query", true);
  if (!grouped) p.attention.kv_heads = shared ? 1 : p.dims.heads;
  p.set_biases(c.flag_or("bias", false), c.flag_or("bias", false));
  if (c.flag_or("alibi", false)) {
    p.attention.rope.reset();
    p.attention.alibi = {
        .slopes = alibi_slopes(p.dims.heads), .scale = p.attention.scale, .bf16 = true};
  }
  Names names{.root = "transformer.",
              .embedding = "word_embeddings",
              .final_norm = "ln_f",
              .layer = "h.{}.",
              .o = "self_attention.dense",
              .qkv = "self_attention.query_key_value",
              .qkv_rows = shared ? QkvRows::blocks : QkvRows::groups,
              .up = "mlp.dense_h_to_4h",
              .down = "mlp.dense_4h_to_h"};
  ModelSpec spec = decoder(p, wired(c, p, names));
  spec.names = std::move(names);
  return spec;
}
}  // namespace octavo::family
