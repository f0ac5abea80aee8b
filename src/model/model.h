#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "model/spec.h"
#include "ops/ops.h"
#include "tensor/weight.h"

namespace octavo {

// A matrix with its bias, ready for the kernels.
struct Linear {
  Weight weight;
  Vec bias;
};

struct NormWeights {
  Vec weight, bias;
};

struct AttentionWeights {
  Linear q, k, v, o;
  NormWeights q_norm, k_norm;
};
struct MlpWeights {
  Linear gate, up, down;  // gate is empty where the block is not gated
};

struct LayerWeights {
  NormWeights norm_mixer, post_mixer, norm_ffn, post_ffn;
  AttentionWeights attention;
  MlpWeights mlp;
};

// Spec, weights and kernels: immutable after load and shareable between threads. The bytes belong
// to `memory`.
class Model {
 public:
  ModelSpec spec;
  Ops ops;
  Compute compute = Compute::f32;
  DType kv_dtype = DType::f32;

  Weight embedding;
  Weight positions;  // [learned_positions, hidden] or empty
  std::vector<LayerWeights> layers;
  NormWeights final_norm;
  Linear head;

  // KV geometry of layer i (block_tokens is the tables' common 32).
  KvShape kv_shape(int64_t layer) const;
  // The weights that `role` of `layer` multiplies by; Role::head with layer = -1.
  const Linear& linear(int64_t layer, Role role) const;
  size_t weight_bytes() const;

  std::vector<HugeBuffer> memory;
};

enum class DTypeChoice : uint8_t { automatic, float32, bfloat16, float16 };

struct LoadOptions {
  DTypeChoice dtype = DTypeChoice::automatic;
  std::function<void(size_t done_bytes, size_t all_bytes)> progress;
};

// Opens a model directory (config.json, safetensors, single or sharded) and loads it for `ops`. The
// pool packs weights in parallel. Throws Error naming file and tensor or field. Peak memory: the
// resident weights and one slice.
std::unique_ptr<Model> load_model(const std::filesystem::path& directory, const Ops& ops,
                                  ThreadPool& pool, const LoadOptions& options = {});

}  // namespace octavo
