#include "model/gguf/gguf_model.h"

namespace octavo {
namespace {

// Whether the first layer has this tensor; all have the same.
bool has(const Checkpoint& checkpoint, const std::string& name) {
  return checkpoint.find("blk.0." + name) != nullptr;
}

Names gguf_names(const Checkpoint& checkpoint) {
  Names names{.root = "",
              .embedding = "token_embd",
              .positions = "position_embd",
              .embedding_norm = "token_embd_norm",
              .final_norm = "output_norm",
              .head = "output",
              .layer = "blk.{}.",
              .norm_mixer = "attn_norm",
              .post_mixer = "post_attention_norm",
              .norm_ffn = "ffn_norm",
              .post_ffn = "post_ffw_norm",
              .q = "attn_q",
              .k = "attn_k",
              .v = "attn_v",
              .o = "attn_output",
              .q_norm = "attn_q_norm",
              .k_norm = "attn_k_norm",
              .out_norm = "attn_sub_norm",
              .down_norm = "ffn_sub_norm",
              .gate = "ffn_gate",
              .up = "ffn_up",
              .down = "ffn_down"};
  if (has(checkpoint, "attn_qkv.weight")) {
    names.qkv = "attn_qkv";
    names.qkv_rows = QkvRows::blocks;
  }
  // Falcon's two norms of a parallel layer: the second is the attention's.
  if (has(checkpoint, "attn_norm_2.weight")) {
    names.norm_mixer = "attn_norm_2";
    names.norm_ffn = "attn_norm";
  }
  // Some families' norm before the MLP goes by the place where it stands.
  if (!has(checkpoint, "ffn_norm.weight") && has(checkpoint, "post_attention_norm.weight"))
    names.norm_ffn = "post_attention_norm";
  // Without a gate of its own, it comes first in "up".
  if (!has(checkpoint, "ffn_gate.weight")) names.gate_up = "ffn_up";
  return names;
}

// The 1 that Gemma adds to its norms is in the weights; biases are there or not.
void fit(NormSpec& norm, const Checkpoint& checkpoint, const std::string& bias) {
  norm.offset = 0;
  if (norm.kind == NormSpec::Kind::layer) norm.bias = checkpoint.find(bias) != nullptr;
}

struct FitBlock {
  const GgufArchitecture& architecture;
  const Checkpoint& checkpoint;

  void operator()(AttentionSpec& a) const {
    a.qkv_bias = has(checkpoint, "attn_q.bias") || has(checkpoint, "attn_qkv.bias");
    a.out_bias = has(checkpoint, "attn_output.bias");
    a.qk_norm.norm.offset = 0;
    if (a.qk_norm.norm.kind == NormSpec::Kind::layer)
      a.qk_norm.norm.bias = has(checkpoint, "attn_q_norm.bias");
    if (a.rope) a.rope->pairs = architecture.pairs;
  }
  void operator()(MlpSpec& m) const { m.bias = has(checkpoint, "ffn_up.bias"); }
};

}  // namespace

void fit_to_gguf(ModelSpec& spec, const GgufArchitecture& architecture,
                 const Checkpoint& checkpoint) {
  spec.names = gguf_names(checkpoint);
  spec.head.tied = checkpoint.find("output.weight") == nullptr;
  spec.head.bias = checkpoint.find("output.bias") != nullptr;
  fit(spec.final_norm, checkpoint, "output_norm.bias");
  fit(spec.embedding.norm, checkpoint, "token_embd_norm.bias");
  for (LayerSpec& layer : spec.layers) {
    fit(layer.norm_mixer, checkpoint, "blk.0." + spec.names.norm_mixer + ".bias");
    fit(layer.post_mixer, checkpoint, "blk.0.post_attention_norm.bias");
    fit(layer.norm_ffn, checkpoint, "blk.0." + spec.names.norm_ffn + ".bias");
    fit(layer.post_ffn, checkpoint, "blk.0.post_ffw_norm.bias");
    std::visit(FitBlock{architecture, checkpoint}, layer.mixer);
    std::visit(FitBlock{architecture, checkpoint}, layer.ffn);
  }
}

}  // namespace octavo
