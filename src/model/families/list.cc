#include <algorithm>
#include <cmath>

#include "model/families.h"
#include "octavo/error.h"

namespace octavo {
namespace {

constexpr Family kFamilies[] = {
    {"LlamaForCausalLM", "llama", family::llama},
    {"MistralForCausalLM", "mistral", family::mistral},
    {"Qwen2ForCausalLM", "qwen2", family::qwen2},
    {"Qwen3ForCausalLM", "qwen3", family::qwen3},
    {"GemmaForCausalLM", "gemma", family::gemma},
    {"Gemma2ForCausalLM", "gemma2", family::gemma2},
    {"Gemma3ForCausalLM", "gemma3_text", family::gemma3},
    {"Phi3ForCausalLM", "phi3", family::phi3},
    {"GPT2LMHeadModel", "gpt2", family::gpt2},
    {"GPTNeoXForCausalLM", "gpt_neox", family::gpt_neox},
};

// How far a rope's scaling stretches the positions of the config: linear and dynamic configs state
// the trained length.
double stretch(const LayerSpec& layer) {
  const auto* attention = std::get_if<AttentionSpec>(&layer.mixer);
  if (attention == nullptr || !attention->rope) return 1;
  if (const auto* linear = std::get_if<RopeSpec::Linear>(&attention->rope->scaling))
    return linear->factor;
  if (const auto* dynamic = std::get_if<RopeSpec::Dynamic>(&attention->rope->scaling))
    return dynamic->factor;
  return 1;
}

}  // namespace

std::span<const Family> families() { return kFamilies; }

ModelSpec spec_of(const Config& c) {
  const std::string architecture = c.architecture();
  for (const Family& family : families()) {
    if (family.architecture != architecture && family.model_type != architecture) continue;
    ModelSpec spec = family.spec(c);
    spec.architecture = architecture;
    const double positions =
        static_cast<double>(spec.max_positions) * std::max(1.0, stretch(spec.layers.back()));
    spec.max_positions = static_cast<int64_t>(std::min(positions, 0x1p31));
    return spec;
  }
  std::string known;
  for (const Family& family : families())
    known += (known.empty() ? "" : ", ") + std::string(family.architecture);
  throw Error("architecture " + architecture + " is not supported", c.where(),
              "supported: " + known);
}

float default_scale(int64_t head_dim) {
  return static_cast<float>(1 / std::sqrt(static_cast<double>(head_dim)));
}

ModelSpec decoder(const Config& c, const Dims& d, const LayerSpec& layer) {
  ModelSpec spec;
  spec.hidden = d.hidden;
  spec.vocab = d.vocab;
  spec.max_positions = d.max_positions;
  spec.layers.assign(d.layers, layer);
  spec.final_norm = layer.norm_mixer;
  spec.head.tied = c.flag_or("tie_word_embeddings", false);
  spec.names.root = "model.";
  return spec;
}

void set_mixer(ModelSpec& spec, const std::vector<bool>& chosen, const MixerSpec& mixer) {
  for (size_t i = 0; i < spec.layers.size(); ++i) {
    if (chosen[i]) spec.layers[i].mixer = mixer;
  }
}

void set_qwen_window(ModelSpec& spec, const Config& c, AttentionSpec attention) {
  if (!c.flag_or("use_sliding_window", false)) return;
  attention.window = c.integer("sliding_window", 1, int64_t{1} << 31);
  const auto from_layer = [](int64_t i, const Config& config) {
    return i >= config.integer("max_window_layers", 0, 4096);
  };
  set_mixer(spec, read_sliding(c, static_cast<int64_t>(spec.layers.size()), from_layer), attention);
}

}  // namespace octavo
