#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "ops/ops.h"

// What a model is, as values: pure, comparable, printable. A family (families/*.cc) turns a config
// into a ModelSpec; everything else (tensors to load, KV geometry, quantization groups, memory
// plan) is derived from it, once for all. A field's default means "absent". Nothing here knows a
// family's name.

namespace octavo {

struct NormSpec {
  enum class Kind : uint8_t { none, rms, layer };
  Kind kind = Kind::none;
  float eps = 0;
  float offset = 0;  // Gemma multiplies by 1 + w
  bool weight = true, bias = false;
  bool operator==(const NormSpec&) const = default;
};

struct RopeSpec {
  struct Linear {
    double factor;
    bool operator==(const Linear&) const = default;
  };
  // NTK-aware: the base grows once a sequence is longer than the trained length.
  struct Dynamic {
    double factor;
    int64_t trained_tokens;
    bool operator==(const Dynamic&) const = default;
  };
  // YaRN (Peng et al. 2309.00071, section 3).
  struct Yarn {
    double factor, beta_fast, beta_slow, attention_factor;
    int64_t trained_tokens;
    bool truncate;
    bool operator==(const Yarn&) const = default;
  };
  struct Llama3 {
    double factor, low_freq_factor, high_freq_factor;
    int64_t trained_tokens;
    bool operator==(const Llama3&) const = default;
  };
  // LongRoPE (2402.13753): one divisor a frequency; the long set once a sequence is longer than the
  // trained length.
  struct LongRope {
    std::vector<double> short_factor, long_factor;
    double attention_factor;
    int64_t trained_tokens;
    bool operator==(const LongRope&) const = default;
  };
  // Qwen 1: as Dynamic, but the base grows in steps, each time the length doubles.
  struct DynamicSteps {
    int64_t trained_tokens;
    bool operator==(const DynamicSteps&) const = default;
  };
  using Scaling =
      std::variant<std::monostate, Linear, Dynamic, Yarn, Llama3, LongRope, DynamicSteps>;

  double theta = 0;
  int64_t dim = 0;  // elements of a head that rotate
  RopePairs pairs = RopePairs::half;
  Scaling scaling;
  bool operator==(const RopeSpec&) const = default;
};

// A linear bias on the scores by distance (ALiBi, 2108.12409): slope · (key position - query
// position) · scale for each head.
struct AlibiSpec {
  std::vector<float> slopes;  // [heads]; empty: none
  float scale = 1;
  bool bf16 = false;  // slopes and slope · key position are rounded to bfloat16 (Falcon)
  bool operator==(const AlibiSpec&) const = default;
};

// What queries are multiplied with, by their position p.
struct QueryScaleSpec {
  enum class Kind : uint8_t {
    none,
    steps,  // 1 + beta · ln(1 + floor(p / trained_tokens))
    log,    // ln(p + 1) / ln(trained_tokens) where that is above 1
  };
  Kind kind = Kind::none;
  double beta = 0;
  int64_t trained_tokens = 0;
  bool operator==(const QueryScaleSpec&) const = default;
};

// The norm of queries and keys.
struct QkNormSpec {
  enum class Over : uint8_t {
    head,       // each head alone, one weight [head_dim] for all
    own_head,   // each head alone with its own weight [heads, head_dim]
    all_heads,  // all heads of a row together, weight [heads · head_dim]
  };
  NormSpec norm = {};
  Over over = Over::head;
  bool after_rope = false;
  bool operator==(const QkNormSpec&) const = default;
};

// Multi-head attention with grouped keys and values (also multi-query: kv_heads = 1).
struct AttentionSpec {
  int64_t heads = 0, kv_heads = 0, head_dim = 0;
  bool qkv_bias = false, out_bias = false;
  std::optional<RopeSpec> rope = {};
  AlibiSpec alibi = {};
  float qkv_clip = 0;  // q, k and v are clamped to ±this; 0: not
  QkNormSpec qk_norm = {};
  QueryScaleSpec query_scale = {};  // after rope
  int64_t window = 0;
  float scale = 0;  // of the scores
  float softcap = 0;
  NormSpec out_norm = {};  // of all heads' results, before the output matrix
  bool operator==(const AttentionSpec&) const = default;
};

struct MlpSpec {
  int64_t hidden = 0;
  Act act = Act::none;
  bool gated = false, bias = false;
  NormSpec down_norm = {};  // of the activations, before the down matrix
  bool operator==(const MlpSpec&) const = default;
};

using MixerSpec = std::variant<AttentionSpec>;
using FfnSpec = std::variant<MlpSpec>;

struct LayerSpec {
  enum class Wiring : uint8_t {
    sequential,         // x += mixer(norm_mixer x); x += ffn(norm_ffn x)
    parallel,           // x += mixer(norm_mixer x) + ffn(norm_ffn x)
    parallel_one_norm,  // n = norm_mixer x; x += mixer(n) + ffn(n)
    norm_after,         // x = norm_mixer(x + mixer(x)); x = norm_ffn(x + ffn(x))
  };
  NormSpec norm_mixer = {};
  MixerSpec mixer = {};
  NormSpec post_mixer = {};  // on the branch, before it is added
  NormSpec norm_ffn = {};
  FfnSpec ffn = {};
  NormSpec post_ffn = {};
  Wiring wiring = Wiring::sequential;
  float residual_scale = 1;         // of both branches, before they are added
  bool residual_is_normed = false;  // sequential: x = norm x before each branch, not beside it
  bool operator==(const LayerSpec&) const = default;
};

struct EmbeddingSpec {
  int64_t width = 0;  // of the table, where a matrix projects it to the model's; 0: no such matrix
  float scale = 1;
  int64_t learned_positions = 0;  // rows of a learned position table; 0: none
  bool sinusoids = false;         // fixed positions: [sin…, cos…], frequencies 1 to 1/10000
  int64_t position_offset = 0;    // added to a position before it is looked up
  NormSpec norm = {};
  bool operator==(const EmbeddingSpec&) const = default;
};

struct HeadSpec {
  bool tied =
      false;  // the embedding table is the head, unless the checkpoint has a head of its own
  bool bias = false;
  float scale = 1, softcap = 0;
  bool operator==(const HeadSpec&) const = default;
};

// How the rows of a fused query-key-value matrix are arranged.
enum class QkvRows : uint8_t {
  separate,  // three tensors
  blocks,    // [all q; all k; all v]
  groups,    // for each kv head [its q heads; k; v]
  quarters,  // four times [a quarter of q; of v; of k] (CodeGen)
};

// Where a checkpoint keeps its tensors. Names below the layer prefix; "{}" is the layer's number.
// ".weight"/".bias" are appended. An empty name: this family has no such tensor.
struct Names {
  std::string root = {};  // prefix of all but the head, e.g. "model."; also tried without
  std::string embedding = "embed_tokens", positions = {}, embedding_norm = {}, final_norm = "norm",
              head = "lm_head";
  std::string project_in = "project_in", project_out = "project_out";
  std::string layer = "layers.{}.";
  std::string norm_mixer = "input_layernorm", post_mixer = {},
              norm_ffn = "post_attention_layernorm", post_ffn = {};
  std::string q = "self_attn.q_proj", k = "self_attn.k_proj", v = "self_attn.v_proj",
              o = "self_attn.o_proj";
  std::string qkv = {};  // set: fused, arranged as qkv_rows says
  QkvRows qkv_rows = QkvRows::separate;
  // With "{}" for the head: a tensor for each.
  std::string q_norm = "self_attn.q_norm", k_norm = "self_attn.k_norm";
  std::string out_norm = "self_attn.attn_sub_norm", down_norm = "mlp.ffn_sub_norm";
  std::string gate = "mlp.gate_proj", up = "mlp.up_proj", down = "mlp.down_proj";
  std::string gate_up = {};        // set: fused [gate; up]
  std::string act = "mlp.act_fn";  // of an activation with learned parameters
  bool transposed = false;         // matrices of the layers are stored [in, out] (GPT-2's Conv1D)
  bool operator==(const Names&) const = default;
};

struct ModelSpec {
  std::string architecture;  // as in config.json, for messages and `inspect` only
  int64_t hidden = 0, vocab = 0;
  int64_t max_positions = 0;
  EmbeddingSpec embedding;
  std::vector<LayerSpec> layers;
  NormSpec final_norm;
  HeadSpec head;
  Names names;
  bool operator==(const ModelSpec&) const = default;
};

// Every weight multiplication of a layer by its role, in the order of the walk.
enum class Role : uint8_t { q, k, v, o, gate, up, down, head, project_in, project_out };
std::string_view name(Role role);

}  // namespace octavo
