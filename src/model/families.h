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

// The spec of a config's architecture. Throws Error that names the architecture and what is
// supported.
ModelSpec spec_of(const Config& c);

// Shorthand of the family files.
inline NormSpec rms(double eps, float offset = 0) {
  return {.kind = NormSpec::Kind::rms, .eps = static_cast<float>(eps), .offset = offset};
}
inline NormSpec layer_norm(double eps, bool bias = true) {
  return {.kind = NormSpec::Kind::layer, .eps = static_cast<float>(eps), .bias = bias};
}
float default_scale(int64_t head_dim);  // head_dim^-1/2

// A decoder of `d.layers` equal layers with the usual embedding and an untied head; the family
// edits what differs.
ModelSpec decoder(const Config& c, const Dims& d, const LayerSpec& layer);

// Gives the layers where `chosen` holds another mixer.
void set_mixer(ModelSpec& spec, const std::vector<bool>& chosen, const MixerSpec& mixer);
// Qwen's switch: a window on layers from max_window_layers on, only under use_sliding_window.
void set_qwen_window(ModelSpec& spec, const Config& c, AttentionSpec attention);

namespace family {
ModelSpec llama(const Config& c);
ModelSpec mistral(const Config& c);
ModelSpec qwen2(const Config& c);
ModelSpec qwen3(const Config& c);
ModelSpec gemma(const Config& c);
ModelSpec gemma2(const Config& c);
ModelSpec gemma3(const Config& c);
ModelSpec phi3(const Config& c);
ModelSpec gpt2(const Config& c);
ModelSpec gpt_neox(const Config& c);
}  // namespace family

}  // namespace octavo
