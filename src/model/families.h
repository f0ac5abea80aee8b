#pragma once

#include <span>
#include <string_view>

#include "model/config.h"
#include "model/spec.h"

namespace octavo {

// One family: the names it goes by in config.json and the function that turns a config into a spec.
struct Family {
  std::string_view architecture, model_type;
  ModelSpec (*spec)(const Config&);
};

// The explicit list (families/list.cc). A new family is one file, one line there and one parity
// case.
std::span<const Family> families();

// An architecture that is known and cannot run yet.
struct OpenFamily {
  std::string_view architecture, needs;  // "mixture of experts"
};
std::span<const OpenFamily> open_families();

// The spec of a config's architecture. Throws Error that names the architecture and what is
// supported.
ModelSpec spec_of(const Config& c);

// Shorthands of the family files.
inline NormSpec rms(double eps, float offset = 0) {
  return {.kind = NormSpec::Kind::rms, .eps = static_cast<float>(eps), .offset = offset};
}
inline NormSpec layer_norm(double eps, bool bias = true) {
  return {.kind = NormSpec::Kind::layer, .eps = static_cast<float>(eps), .bias = bias};
}
float default_scale(int64_t head_dim);  // head_dim^-1/2

// What nearly every decoder is made of, for a family to edit: by default as in Llama.
struct Parts {
  Dims dims;
  NormSpec norm;  // of the layers and the last one
  AttentionSpec attention;
  MlpSpec mlp;
  bool tied = false;

  void set_biases(bool attention_bias, bool mlp_bias);
  // Pre-norm and sequential.
  LayerSpec layer() const {
    return {.norm_mixer = norm, .mixer = attention, .norm_ffn = norm, .ffn = mlp};
  }
  // Both blocks beside each other, behind one norm.
  LayerSpec one_norm_layer() const {
    return {.norm_mixer = norm,
            .mixer = attention,
            .ffn = mlp,
            .wiring = LayerSpec::Wiring::parallel_one_norm};
  }
};

// Where a config keeps them. "a|b": the first of these keys that is there.
struct PartKeys {
  DimNames dims = {};
  NormSpec::Kind norm = NormSpec::Kind::rms;
  std::string_view eps = "rms_norm_eps";
  std::optional<double> fixed_eps = {};  // where the key is absent, or for a family without one
  std::string_view act = "hidden_act";
  std::optional<Act> fixed_act = {};  // likewise
  bool gated = true;
  std::optional<RopeKeys> rope = RopeKeys{};  // none: no rope
  bool tied = false;  // where tie_word_embeddings is absent: the embedding is the head
};
Parts read_parts(const Config& c, const PartKeys& keys = {});

// A decoder of equal layers with the usual embedding and head; the family edits what differs.
ModelSpec decoder(const Parts& parts);
ModelSpec decoder(const Parts& parts, const LayerSpec& layer);

// The same with norms behind the blocks only.
ModelSpec decoder_with_norms_behind(const Parts& parts);

// Gives the layers where `chosen` holds another mixer.
void set_mixer(ModelSpec& spec, const std::vector<bool>& chosen, const MixerSpec& mixer);
// Qwen's switch: a window on layers from max_window_layers on, only under use_sliding_window.
void set_qwen_window(ModelSpec& spec, const Config& c, AttentionSpec attention);

// Patterns of windows for read_sliding: the first, third, ... layer; all but every n-th, with n (or
// one letter a layer, L for those with a window) from sliding_window_pattern.
bool every_other(int64_t layer, const Config& c);
bool all_but_every_nth(int64_t layer, const Config& c);

// The names of GPT-2 and the many that took them over, without those of the matrices in a layer.
Names gpt2_names();
// Those of fairseq's decoders: OPT, XGLM, BioGPT.
Names fairseq_names(std::string root);
// Dimensions under GPT-2's keys.
inline constexpr DimNames kGpt2Dims{.hidden = "n_embd",
                                    .heads = "n_head",
                                    .kv_heads = {},
                                    .ffn = "n_inner",
                                    .layers = "n_layer",
                                    .max_positions = "n_positions",
                                    .ffn_factor = 4};

// Slopes of `heads` heads: 2^(-8i/n) for the largest power of two n <= heads, the rest from those
// of 2n, every other one (2108.12409 and its code).
std::vector<float> alibi_slopes(int64_t heads);
// As MPT has them: 2^(-bias_max i/n) for the smallest power of two n >= heads; where that is more,
// every other one first.
std::vector<float> mpt_slopes(int64_t heads, double bias_max);

}  // namespace octavo
