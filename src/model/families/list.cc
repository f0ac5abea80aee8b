#include <algorithm>
#include <cmath>

#include "model/families.h"
#include "octavo/error.h"

// The explicit list. A new family is one file beside this one, its name and line here, and a case
// in tools/make_parity_fixtures.py.

namespace octavo {
namespace family {

using FamilySpec = ModelSpec(const Config&);
FamilySpec llama, apertus, arcee, baichuan, biogpt, bitnet, bloom, chatglm, codegen, cohere,
    cohere2, decilm, ernie4_5, exaone, exaone4, falcon, gemma, gemma2, glm, glm4, gpt2, gpt_bigcode,
    gptj, gpt_neo, gpt_neox, granite, helium, hunyuan, internlm, internlm2, internlm3, jais2,
    minicpm, mistral, mpt, nemotron, olmo, olmo2, olmo3, opt, persimmon, phi, phi3, qwen1, qwen2,
    qwen3, seed_oss, smollm3, stablelm, starcoder2, xglm;

}  // namespace family

namespace {

// Where several architectures share a function, the first is the one that model_type stands for.
constexpr Family kFamilies[] = {
    {"LlamaForCausalLM", "llama", family::llama},
    {"LLaMAForCausalLM", {}, family::llama},
    {"AquilaForCausalLM", "aquila", family::llama},
    {"AquilaModel", {}, family::llama},
    {"LongLlamaForCausalLM", "longllama", family::llama},
    {"XverseForCausalLM", "xverse", family::llama},
    {"YiForCausalLM", "yi", family::llama},
    {"ApertusForCausalLM", "apertus", family::apertus},
    {"ArceeForCausalLM", "arcee", family::arcee},
    {"BaiChuanForCausalLM", "baichuan", family::baichuan},
    {"BaichuanForCausalLM", {}, family::baichuan},
    {"BioGptForCausalLM", "biogpt", family::biogpt},
    {"BitNetForCausalLM", "bitnet", family::bitnet},
    {"BloomForCausalLM", "bloom", family::bloom},
    {"ChatGLMModel", "chatglm", family::chatglm},
    {"ChatGLMForConditionalGeneration", {}, family::chatglm},
    {"CodeGenForCausalLM", "codegen", family::codegen},
    {"MossForCausalLM", "moss", family::codegen},
    {"CohereForCausalLM", "cohere", family::cohere},
    {"Cohere2ForCausalLM", "cohere2", family::cohere2},
    {"DeciLMForCausalLM", "deci", family::decilm},
    {"Ernie4_5ForCausalLM", "ernie4_5", family::ernie4_5},
    {"Ernie4_5_ForCausalLM", {}, family::ernie4_5},
    {"ExaoneForCausalLM", "exaone", family::exaone},
    {"Exaone4ForCausalLM", "exaone4", family::exaone4},
    {"FalconForCausalLM", "falcon", family::falcon},
    {"RWForCausalLM", {}, family::falcon},
    {"GemmaForCausalLM", "gemma", family::gemma},
    {"Gemma2ForCausalLM", "gemma2", family::gemma2},
    {"Gemma3ForCausalLM", "gemma3_text", family::gemma2},
    {"GlmForCausalLM", "glm", family::glm},
    {"Glm4ForCausalLM", "glm4", family::glm4},
    {"GPT2LMHeadModel", "gpt2", family::gpt2},
    {"GPTBigCodeForCausalLM", "gpt_bigcode", family::gpt_bigcode},
    {"GPTJForCausalLM", "gptj", family::gptj},
    {"GPTNeoForCausalLM", "gpt_neo", family::gpt_neo},
    {"GPTNeoXForCausalLM", "gpt_neox", family::gpt_neox},
    {"GraniteForCausalLM", "granite", family::granite},
    {"HeliumForCausalLM", "helium", family::helium},
    {"HunYuanDenseV1ForCausalLM", "hunyuan_v1_dense", family::hunyuan},
    {"InternLMForCausalLM", "internlm", family::internlm},
    {"InternLM2ForCausalLM", "internlm2", family::internlm2},
    {"InternLM3ForCausalLM", "internlm3", family::internlm3},
    {"Jais2ForCausalLM", "jais2", family::jais2},
    {"MiniCPMForCausalLM", "minicpm", family::minicpm},
    {"MistralForCausalLM", "mistral", family::mistral},
    {"MinistralForCausalLM", "ministral", family::mistral},
    {"Ministral3ForCausalLM", "ministral3", family::mistral},
    {"MptForCausalLM", "mpt", family::mpt},
    {"MPTForCausalLM", {}, family::mpt},
    {"NemotronForCausalLM", "nemotron", family::nemotron},
    {"OlmoForCausalLM", "olmo", family::olmo},
    {"Olmo2ForCausalLM", "olmo2", family::olmo2},
    {"Olmo3ForCausalLM", "olmo3", family::olmo3},
    {"OPTForCausalLM", "opt", family::opt},
    {"PersimmonForCausalLM", "persimmon", family::persimmon},
    {"PhiForCausalLM", "phi", family::phi},
    {"Phi3ForCausalLM", "phi3", family::phi3},
    {"QWenLMHeadModel", "qwen", family::qwen1},
    {"Qwen2ForCausalLM", "qwen2", family::qwen2},
    {"Qwen3ForCausalLM", "qwen3", family::qwen3},
    {"SeedOssForCausalLM", "seed_oss", family::seed_oss},
    {"SmolLM3ForCausalLM", "smollm3", family::smollm3},
    {"StableLmForCausalLM", "stablelm", family::stablelm},
    {"StableLMEpochForCausalLM", "stablelm_epoch", family::stablelm},
    {"Starcoder2ForCausalLM", "starcoder2", family::starcoder2},
    {"XGLMForCausalLM", "xglm", family::xglm},
};

constexpr OpenFamily kOpen[] = {
    {"DeepseekV2ForCausalLM", "latent attention and mixture of experts"},
    {"DeepseekV3ForCausalLM", "latent attention and mixture of experts"},
    {"MiniCPM3ForCausalLM", "latent attention"},
    {"DbrxForCausalLM", "mixture of experts"},
    {"Dots1ForCausalLM", "mixture of experts"},
    {"Ernie4_5_MoeForCausalLM", "mixture of experts"},
    {"Glm4MoeForCausalLM", "mixture of experts"},
    {"GptOssForCausalLM", "mixture of experts"},
    {"GraniteMoeForCausalLM", "mixture of experts"},
    {"GraniteMoeSharedForCausalLM", "mixture of experts"},
    {"HunYuanMoEV1ForCausalLM", "mixture of experts"},
    {"Llama4ForCausalLM", "mixture of experts"},
    {"MiniMaxM2ForCausalLM", "mixture of experts"},
    {"MixtralForCausalLM", "mixture of experts"},
    {"OlmoeForCausalLM", "mixture of experts"},
    {"PhimoeForCausalLM", "mixture of experts"},
    {"Qwen2MoeForCausalLM", "mixture of experts"},
    {"Qwen3MoeForCausalLM", "mixture of experts"},
    {"FalconMambaForCausalLM", "state space layers"},
    {"JambaForCausalLM", "state space layers"},
    {"Lfm2ForCausalLM", "state space layers"},
    {"MambaForCausalLM", "state space layers"},
    {"Mamba2ForCausalLM", "state space layers"},
    {"Qwen3NextForCausalLM", "linear attention and mixture of experts"},
    {"BertModel", "encoder"},
    {"ModernBertModel", "encoder"},
    {"NomicBertModel", "encoder"},
    {"XLMRobertaModel", "encoder"},
    {"Qwen3Model", "encoder"},
    {"Gemma3ForConditionalGeneration", "pictures"},
    {"LlavaForConditionalGeneration", "pictures"},
    {"LlavaNextForConditionalGeneration", "pictures"},
    {"Qwen2VLForConditionalGeneration", "pictures"},
    {"Qwen2_5_VLForConditionalGeneration", "pictures"},
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
std::span<const OpenFamily> open_families() { return kOpen; }

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
  for (const OpenFamily& family : open_families()) {
    if (family.architecture == architecture)
      throw Error("architecture " + architecture + " is not supported yet: it needs " +
                      std::string(family.needs),
                  c.where(), "`octavo inspect --supported` lists what is");
  }
  throw Error("architecture " + architecture + " is not supported", c.where(),
              "`octavo inspect --supported` lists those that are, LlamaForCausalLM to "
              "XGLMForCausalLM; if it is one of them under a new name, say which in "
              "architecture_alias or with --hf-overrides");
}

}  // namespace octavo
