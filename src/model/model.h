#pragma once

#include <array>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/memory.h"
#include "model/precision.h"
#include "model/rope.h"
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

struct LayerWeights {
  NormWeights norm_mixer, post_mixer, norm_ffn, post_ffn;
  NormWeights q_norm, k_norm, out_norm, down_norm;
  Linear q, k, v, o;
  Linear gate, up, down;          // gate is empty where the block is not gated
  int rope = -1;                  // index of Model::ropes; -1: none
  std::array<float, 4> act = {};  // parameters of the activation, as Activation takes them

  Linear& linear(Role role);
  const Linear& linear(Role role) const { return const_cast<LayerWeights*>(this)->linear(role); }
};

// Spec, weights and kernels: immutable after load and shareable between threads. All bytes belong
// to `memory`.
class Model {
 public:
  ModelSpec spec;
  Ops ops;
  Compute compute = Compute::f32;            // of dense matrices
  Compute quantized_compute = Compute::f32;  // of those in codes
  Compute compute_of(const Weight& w) const {
    return w.format.scheme == Scheme::dense ? compute : quantized_compute;
  }
  DType kv_dtype = DType::f32;

  Weight embedding;
  Weight positions;  // [learned_positions, hidden] or empty
  NormWeights embedding_norm;
  Linear project_in, project_out;  // empty where the table is as wide as the model
  std::vector<LayerWeights> layers;
  NormWeights final_norm;
  Linear head;
  std::vector<RopeTable> ropes;  // the distinct ones of the layers

  HugeBuffer memory;

  // KV geometry of a layer's cache.
  KvShape kv_shape(int64_t layer, int64_t block_tokens = 32) const;
  const Linear& linear(int64_t layer, Role role) const {
    if (layer >= 0) return layers[layer].linear(role);
    return role == Role::head ? head : role == Role::project_in ? project_in : project_out;
  }
  size_t weight_bytes() const { return memory.size_bytes(); }
};

struct LoadOptions {
  DTypeChoice dtype = DTypeChoice::automatic;
  ActivationChoice activations = ActivationChoice::automatic;
  DenseChoice quantize_dense = DenseChoice::automatic;
  std::string config_overrides = {};  // as ModelSource::open takes them
  // Called from one thread at a time.
  std::function<void(size_t done_bytes, size_t all_bytes)> progress = {};

  PrecisionChoice precision() const { return {dtype, activations, quantize_dense}; }
};

// Opens a model directory (config.json and weights as Checkpoint finds them) or a GGUF file and
// loads it for `ops`. The pool packs weights in parallel. Throws Error naming file and tensor or
// field. Peak memory: the resident weights and a slice a thread.
std::unique_ptr<Model> load_model(const std::filesystem::path& path, const Ops& ops,
                                  ThreadPool& pool, const LoadOptions& options = {});

// Some of a model's weights: what is left out stays empty, and only the walk's parts that need no
// more may run (model/forward.h). `layers` has all entries whatever is loaded.
struct ModelPart {
  bool embedding = false, head = false;  // the head: with the final norm
  int64_t layer_begin = 0, layer_end = 0;
};
struct ModelSource;
std::unique_ptr<Model> load_part(const ModelSource& source, const Ops& ops, ThreadPool& pool,
                                 const ModelPart& part, const LoadOptions& options = {});

}  // namespace octavo
