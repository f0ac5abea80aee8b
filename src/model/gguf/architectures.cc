#include "model/gguf/architectures.h"

namespace octavo {
namespace {

// Rows of q and k: converters reorder those of the first group, so that the two elements of a pair
// lie side by side; elsewhere they lie half a head apart.
constexpr RopePairs kTogether = RopePairs::interleaved, kApart = RopePairs::half;

constexpr GgufArchitecture kArchitectures[] = {
    {"llama", "LlamaForCausalLM", kTogether, R"({"hidden_act": "silu"})"},
    {"mistral", "LlamaForCausalLM", kTogether, R"({"hidden_act": "silu"})"},
    {"qwen2", "Qwen2ForCausalLM", kApart, R"({"hidden_act": "silu"})"},
    {"qwen3", "Qwen3ForCausalLM", kApart, R"({"hidden_act": "silu"})"},
    {"gemma", "GemmaForCausalLM", kApart, R"({"hidden_act": "gelu_pytorch_tanh"})"},
    {"gemma2", "Gemma2ForCausalLM", kApart,
     R"({"hidden_activation": "gelu_pytorch_tanh", "sliding_window": 4096,
         "attn_logit_softcapping": 50, "final_logit_softcapping": 30})"},
    {"gemma3", "Gemma3ForCausalLM", kApart,
     R"({"hidden_activation": "gelu_pytorch_tanh", "sliding_window_pattern": 6, "rope_theta": 1e6,
         "rope_local_base_freq": 10000, "sliding_window": 1024})"},
    {"phi3", "Phi3ForCausalLM", kApart, R"({"hidden_act": "silu"})"},
    {"gpt2", "GPT2LMHeadModel", kApart, R"({"activation_function": "gelu_new"})"},
    {"gptneox", "GPTNeoXForCausalLM", kApart, R"({"hidden_act": "gelu"})"},
};

constexpr GgufField kFields[] = {
    {"context_length", {"max_position_embeddings", "n_positions"}},
    {"embedding_length", {"hidden_size", "n_embd"}},
    {"block_count", {"num_hidden_layers", "n_layer"}},
    {"feed_forward_length", {"intermediate_size", "n_inner"}},
    {"attention.head_count", {"num_attention_heads", "n_head"}},
    {"attention.head_count_kv", {"num_key_value_heads"}},
    {"attention.key_length", {"head_dim"}},
    {"attention.layer_norm_rms_epsilon", {"rms_norm_eps"}},
    {"attention.layer_norm_epsilon", {"layer_norm_eps", "layer_norm_epsilon"}},
    {"attention.sliding_window", {"sliding_window"}},
    {"rope.freq_base", {"rope_theta", "rotary_emb_base"}},
    {"rope.freq_base_swa", {"rope_local_base_freq"}},
    {"attn_logit_softcapping", {"attn_logit_softcapping"}},
    {"final_logit_softcapping", {"final_logit_softcapping"}},
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
