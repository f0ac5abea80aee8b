#include "model/gguf/architectures.h"

namespace octavo {
namespace {

// Rows of q and k: converters reorder those of the first group, so that the two elements of a pair
// lie side by side; elsewhere they lie half a head apart.
constexpr RopePairs kTogether = RopePairs::interleaved, kApart = RopePairs::half;

constexpr std::string_view kSilu = R"({"hidden_act": "silu"})";

constexpr GgufArchitecture kArchitectures[] = {
    {"llama", "LlamaForCausalLM", kTogether, kSilu},
    {"mistral", "LlamaForCausalLM", kTogether, kSilu},
    {"internlm2", "LlamaForCausalLM", kTogether, kSilu},
    {"xverse", "LlamaForCausalLM", kTogether, kSilu},
    {"arcee", "ArceeForCausalLM", kTogether, R"({"hidden_act": "relu2"})"},
    {"bloom", "BloomForCausalLM", kApart},
    {"chatglm", "GlmForCausalLM", kTogether, kSilu},
    {"cohere2", "Cohere2ForCausalLM", kTogether,
     R"({"hidden_act": "silu", "sliding_window_pattern": 4})"},
    {"command-r", "CohereForCausalLM", kTogether, kSilu},
    {"ernie4_5", "Ernie4_5ForCausalLM", kTogether, kSilu},
    {"exaone", "ExaoneForCausalLM", kApart, R"({"activation_function": "silu"})"},
    {"exaone4", "Exaone4ForCausalLM", kApart,
     R"({"hidden_act": "silu", "sliding_window_pattern": 4})"},
    {"falcon", "FalconForCausalLM", kApart},
    {"gemma", "GemmaForCausalLM", kApart, R"({"hidden_act": "gelu_pytorch_tanh"})"},
    {"gemma2", "Gemma2ForCausalLM", kApart,
     R"({"hidden_activation": "gelu_pytorch_tanh", "sliding_window": 4096,
         "attn_logit_softcapping": 50, "final_logit_softcapping": 30})"},
    {"gemma3", "Gemma3ForCausalLM", kApart,
     R"({"hidden_activation": "gelu_pytorch_tanh", "sliding_window_pattern": 6, "rope_theta": 1e6,
         "rope_local_base_freq": 10000, "sliding_window": 1024})"},
    {"glm4", "Glm4ForCausalLM", kTogether, kSilu},
    {"gpt2", "GPT2LMHeadModel", kApart, R"({"activation_function": "gelu_new"})"},
    {"gptneox", "GPTNeoXForCausalLM", kApart, R"({"hidden_act": "gelu"})"},
    {"granite", "GraniteForCausalLM", kTogether, kSilu},
    {"mpt", "MptForCausalLM", kApart},
    {"nemotron", "NemotronForCausalLM", kApart, R"({"hidden_act": "relu2"})"},
    {"olmo", "OlmoForCausalLM", kTogether, kSilu},
    {"olmo2", "Olmo2ForCausalLM", kApart, kSilu, "Olmo3ForCausalLM"},
    {"phi2", "PhiForCausalLM", kApart, R"({"hidden_act": "gelu_new"})"},
    {"phi3", "Phi3ForCausalLM", kApart, kSilu},
    {"qwen2", "Qwen2ForCausalLM", kApart, kSilu},
    {"qwen3", "Qwen3ForCausalLM", kApart, kSilu},
    {"seed_oss", "SeedOssForCausalLM", kApart, kSilu},
    {"smollm3", "SmolLM3ForCausalLM", kTogether, kSilu},
    {"stablelm", "StableLmForCausalLM", kApart, kSilu},
    {"starcoder", "GPTBigCodeForCausalLM", kApart,
     R"({"activation_function": "gelu_pytorch_tanh"})"},
    {"starcoder2", "Starcoder2ForCausalLM", kApart, R"({"hidden_act": "gelu_pytorch_tanh"})"},
};

constexpr GgufField kFields[] = {
    {"context_length", {"max_position_embeddings", "n_positions", "max_seq_len", "seq_length"}},
    {"embedding_length", {"hidden_size", "n_embd", "d_model"}},
    {"block_count", {"num_hidden_layers", "n_layer", "n_layers"}},
    {"feed_forward_length", {"intermediate_size", "n_inner", "ffn_hidden_size"}},
    {"attention.head_count", {"num_attention_heads", "n_head", "n_heads"}},
    {"attention.head_count_kv", {"num_key_value_heads", "num_kv_heads"}},
    {"attention.key_length", {"head_dim"}},
    {"attention.layer_norm_rms_epsilon", {"rms_norm_eps", "layer_norm_epsilon"}},
    {"attention.layer_norm_epsilon",
     {"layer_norm_eps", "layer_norm_epsilon", "norm_epsilon", "norm_eps"}},
    {"attention.sliding_window", {"sliding_window"}},
    {"attention.clamp_kqv", {"clip_qkv"}},
    {"attention.scale", {"attention_multiplier"}},
    {"rope.freq_base", {"rope_theta", "rotary_emb_base"}},
    {"rope.freq_base_swa", {"rope_local_base_freq"}},
    {"attn_logit_softcapping", {"attn_logit_softcapping"}},
    {"final_logit_softcapping", {"final_logit_softcapping"}},
    {"logit_scale", {"logit_scale", "logits_scaling"}},
    {"embedding_scale", {"embedding_multiplier"}},
    {"residual_scale", {"residual_multiplier"}},
    {"use_parallel_residual", {"use_parallel_residual"}},
};

}  // namespace

std::span<const GgufArchitecture> gguf_architectures() { return kArchitectures; }

const GgufArchitecture* find_gguf_architecture(std::string_view name) {
  for (const GgufArchitecture& row : kArchitectures) {
    if (row.name == name) return &row;
  }
  return nullptr;
}

std::span<const GgufField> gguf_fields() { return kFields; }

}  // namespace octavo
