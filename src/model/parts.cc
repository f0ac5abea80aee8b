#include <cmath>

#include "model/families.h"
#include "octavo/error.h"

// What the family files are written with.

namespace octavo {
namespace {

constexpr int64_t kAnyWindow = int64_t{1} << 31;

double eps_of(const Config& c, const PartKeys& keys) {
  const std::string_view key = first_present(c, keys.eps);
  return keys.fixed_eps && !c.has(key) ? *keys.fixed_eps : read_eps(c, key);
}

Act act_of(const Config& c, const PartKeys& keys) {
  const std::string_view key = first_present(c, keys.act);
  return keys.fixed_act && !c.has(key) ? *keys.fixed_act : read_act(c, {key});
}

}  // namespace

void Parts::set_biases(bool attention_bias, bool mlp_bias) {
  attention.qkv_bias = attention.out_bias = attention_bias;
  mlp.bias = mlp_bias;
}

Parts read_parts(const Config& c, const PartKeys& keys) {
  const Dims d = read_dims(c, keys.dims);
  Parts p{.dims = d,
          .norm = {.kind = keys.norm,
                   .eps = static_cast<float>(eps_of(c, keys)),
                   .bias = keys.norm == NormSpec::Kind::layer},
          .attention = {.heads = d.heads,
                        .kv_heads = d.kv_heads,
                        .head_dim = d.head_dim,
                        .scale = default_scale(d.head_dim)},
          .mlp = {.hidden = d.ffn, .act = act_of(c, keys), .gated = keys.gated},
          .tied = c.flag_or("tie_word_embeddings", keys.tied)};
  if (keys.rope) p.attention.rope = read_rope(c, d.head_dim, *keys.rope);
  return p;
}

float default_scale(int64_t head_dim) {
  return static_cast<float>(1 / std::sqrt(static_cast<double>(head_dim)));
}

ModelSpec decoder(const Parts& parts, const LayerSpec& layer) {
  ModelSpec spec;
  spec.hidden = parts.dims.hidden;
  spec.vocab = parts.dims.vocab;
  spec.max_positions = parts.dims.max_positions;
  spec.layers.assign(parts.dims.layers, layer);
  spec.final_norm = parts.norm;
  spec.head.tied = parts.tied;
  spec.names.root = "model.";
  return spec;
}

ModelSpec decoder(const Parts& parts) { return decoder(parts, parts.layer()); }

ModelSpec decoder_with_norms_behind(const Parts& p) {
  ModelSpec spec =
      decoder(p, {.mixer = p.attention, .post_mixer = p.norm, .ffn = p.mlp, .post_ffn = p.norm});
  spec.names.post_mixer = "post_attention_layernorm";
  spec.names.post_ffn = "post_feedforward_layernorm";
  return spec;
}

void set_mixer(ModelSpec& spec, const std::vector<bool>& chosen, const MixerSpec& mixer) {
  for (size_t i = 0; i < spec.layers.size(); ++i) {
    if (chosen[i]) spec.layers[i].mixer = mixer;
  }
}

void set_qwen_window(ModelSpec& spec, const Config& c, AttentionSpec attention) {
  if (!c.flag_or("use_sliding_window", false)) return;
  attention.window = c.integer("sliding_window", 1, kAnyWindow);
  const auto from_layer = [](int64_t i, const Config& config) {
    return i >= config.integer("max_window_layers", 0, 4096);
  };
  set_mixer(spec, read_sliding(c, static_cast<int64_t>(spec.layers.size()), from_layer), attention);
}

bool every_other(int64_t layer, const Config&) { return layer % 2 == 0; }

bool all_but_every_nth(int64_t layer, const Config& c) {
  constexpr std::string_view kKey = "sliding_window_pattern";
  if (const auto letters = c.text_if_any(kKey)) {
    if (letters->empty()) c.fail(kKey, "empty");
    return (*letters)[layer % static_cast<int64_t>(letters->size())] == 'L';
  }
  return (layer + 1) % c.integer(kKey, 1, 4096) != 0;
}

Names gpt2_names() {
  return {.root = "transformer.",
          .embedding = "wte",
          .final_norm = "ln_f",
          .layer = "h.{}.",
          .norm_mixer = "ln_1",
          .norm_ffn = "ln_2",
          .o = "attn.c_proj",
          .up = "mlp.c_fc",
          .down = "mlp.c_proj"};
}

Names fairseq_names(std::string root) {
  return {.root = std::move(root),
          .positions = "embed_positions",
          .final_norm = "layer_norm",
          .norm_mixer = "self_attn_layer_norm",
          .norm_ffn = "final_layer_norm",
          .o = "self_attn.out_proj",
          .up = "fc1",
          .down = "fc2"};
}

std::vector<float> alibi_slopes(int64_t heads) {
  int64_t n = 1;
  while (2 * n <= heads) n *= 2;
  const auto power = [](int64_t i, int64_t of) {
    return static_cast<float>(std::exp2(-8.0 * static_cast<double>(i) / static_cast<double>(of)));
  };
  std::vector<float> slopes;
  for (int64_t i = 1; i <= n; ++i) slopes.push_back(power(i, n));
  for (int64_t i = 1; n + i / 2 < heads; i += 2) slopes.push_back(power(i, 2 * n));
  return slopes;
}

std::vector<float> mpt_slopes(int64_t heads, double bias_max) {
  int64_t n = 1;
  while (n < heads) n *= 2;
  std::vector<float> slopes;
  for (int64_t first : {n == heads ? 0 : 1, 0}) {
    for (int64_t i = first; i < n; i += n == heads ? 1 : 2)
      slopes.push_back(static_cast<float>(
          std::exp2(-bias_max * static_cast<double>(i + 1) / static_cast<double>(n))));
  }
  slopes.resize(heads);
  return slopes;
}

}  // namespace octavo
