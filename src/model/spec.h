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
  using Scaling = std::variant<std::monostate, Linear, Dynamic, Yarn, Llama3, LongRope>;

  double theta = 0;
  int64_t dim = 0;  // elements of a head that rotate
  RopePairs pairs = RopePairs::half;
  Scaling scaling;
  bool operator==(const RopeSpec&) const = default;
};

// Multi-head attention with grouped keys and values (also multi-query: kv_heads = 1).
struct AttentionSpec {
  int64_t heads = 0, kv_heads = 0, head_dim = 0;
  bool qkv_bias = false, out_bias = false;
  std::optional<RopeSpec> rope = {};
  NormSpec qk_norm = {};  // on each head of q and k, before rope
  int64_t window = 0;
  float scale = 0;  // of the scores
  float softcap = 0;
  bool operator==(const AttentionSpec&) const = default;
};

struct MlpSpec {
  int64_t hidden = 0;
  Act act = Act::none;
  bool gated = false, bias = false;
  bool operator==(const MlpSpec&) const = default;
};

using MixerSpec = std::variant<AttentionSpec>;
using FfnSpec = std::variant<MlpSpec>;

struct LayerSpec {
  // sequential: x += mixer(norm_mixer x); x += ffn(norm_ffn x).  parallel: x += mixer(norm_mixer x)
  // + ffn(norm_ffn x).
  enum class Wiring : uint8_t { sequential, parallel };
  NormSpec norm_mixer = {};
  MixerSpec mixer = {};
  NormSpec post_mixer = {};  // on the branch, before it is added
  NormSpec norm_ffn = {};
  FfnSpec ffn = {};
  NormSpec post_ffn = {};
  Wiring wiring = Wiring::sequential;
  bool operator==(const LayerSpec&) const = default;
};

struct EmbeddingSpec {
  float scale = 1;
  int64_t learned_positions = 0;  // rows of a learned position table; 0: none
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
  per_head,  // for each head [q; k; v]
};

// Where a checkpoint keeps its tensors. Names below the layer prefix; "{}" is the layer's number.
// ".weight"/".bias" are appended. An empty name: this family has no such tensor.
struct Names {
  std::string root = {};  // prefix of all but the head, e.g. "model."; also tried without
  std::string embedding = "embed_tokens", positions = {}, final_norm = "norm", head = "lm_head";
  std::string layer = "layers.{}.";
  std::string norm_mixer = "input_layernorm", post_mixer = {},
              norm_ffn = "post_attention_layernorm", post_ffn = {};
  std::string q = "self_attn.q_proj", k = "self_attn.k_proj", v = "self_attn.v_proj",
              o = "self_attn.o_proj";
  std::string qkv = {};  // set: fused, arranged as qkv_rows says
  QkvRows qkv_rows = QkvRows::separate;
  std::string q_norm = "self_attn.q_norm", k_norm = "self_attn.k_norm";
  std::string gate = "mlp.gate_proj", up = "mlp.up_proj", down = "mlp.down_proj";
  std::string gate_up = {};  // set: fused [gate; up]
  bool transposed = false;   // matrices of the layers are stored [in, out] (GPT-2's Conv1D)
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
enum class Role : uint8_t { q, k, v, o, gate, up, down, head };
std::string_view name(Role role);

}  // namespace octavo
