#include "engine/step_model.h"

#include <algorithm>
#include <string>
#include <utility>

#include "base/log.h"
#include "model/derive.h"
#include "model/model.h"
#include "tensor/queue.h"
#include "tensor/workspace.h"

namespace octavo {
namespace {

// The smallest trained length at which a rope of the model changes with the sequence's length.
std::optional<int64_t> rope_limit(const ModelSpec& spec) {
  std::optional<int64_t> limit;
  for (const LayerSpec& layer : spec.layers) {
    const auto* attention = std::get_if<AttentionSpec>(&layer.mixer);
    if (attention == nullptr || !attention->rope) continue;
    const RopeSpec::Scaling& scaling = attention->rope->scaling;
    int64_t trained = 0;
    if (const auto* dynamic = std::get_if<RopeSpec::Dynamic>(&scaling)) {
      trained = dynamic->trained_tokens;
    } else if (const auto* longer = std::get_if<RopeSpec::LongRope>(&scaling)) {
      trained = longer->trained_tokens;
    } else if (const auto* steps = std::get_if<RopeSpec::DynamicSteps>(&scaling)) {
      trained = steps->trained_tokens;
    } else {
      continue;
    }
    limit = limit ? std::min(*limit, trained) : trained;
  }
  return limit;
}

// What a step works with; belongs to the engine's thread.
struct Runner {
  Runner(std::shared_ptr<const Model> m, ThreadPool& pool, int64_t rows)
      : model(std::move(m)), queue(pool), workspace(workspace_bytes(*model, rows)) {}

  std::shared_ptr<const Model> model;
  Queue queue;
  Workspace workspace;
};

// No silent fallback: one line for all layers.
void say_if_slow(const Ops& ops, std::span<const KvShape> layers) {
  const auto slow = std::ranges::find_if_not(layers, ops.attends);
  if (slow == layers.end()) return;
  log_line("attention runs on the reference kernel, many times slower: " + std::string(ops.name) +
           " takes blocks of 32 tokens and, in bfloat16, even head sizes; here are blocks of " +
           std::to_string(slow->block_tokens) + " and heads of " + std::to_string(slow->head_dim));
}

// Weights beyond this are sampled in evenly spaced pieces: two checkpoints that agree in all of
// those, in config and in size are the same one.
constexpr size_t kHashedBytes = size_t{2} << 30, kPieceBytes = size_t{1} << 16;

void add_weights(const HugeBuffer& memory, Sha256& sha) {
  const size_t pieces = (memory.size_bytes() + kPieceBytes - 1) / kPieceBytes;
  const size_t stride = std::max<size_t>(1, pieces * kPieceBytes / kHashedBytes);
  sha.add_number(memory.size_bytes(), 8);
  for (size_t piece = 0; piece < pieces; piece += stride) {
    const size_t begin = piece * kPieceBytes;
    sha.add(memory.data() + begin, std::min(kPieceBytes, memory.size_bytes() - begin));
  }
}

Digest identity_of(const Model& model, int64_t block_tokens) {
  Sha256 sha;
  for (const std::string_view text :
       {std::string_view(OCTAVO_VERSION), std::string_view(model.ops.name)}) {
    sha.add_number(text.size(), 8);
    sha.add(text);
  }
  sha.add_number(static_cast<uint64_t>(model.compute), 8);
  for (size_t layer = 0; layer < model.spec.layers.size(); ++layer) {
    const KvShape shape = model.kv_shape(static_cast<int64_t>(layer), block_tokens);
    for (const int64_t number : {shape.kv_heads, shape.head_dim, shape.block_tokens,
                                 static_cast<int64_t>(shape.dtype), shape.block_bytes()}) {
      sha.add_number(static_cast<uint64_t>(number), 8);
    }
  }
  add_weights(model.memory, sha);
  return sha.finish();
}

}  // namespace

StepModel step_sizes(const Model& model, int64_t block_tokens) {
  StepModel result;
  result.vocab = model.spec.vocab;
  result.max_positions = max_sequence_tokens(model.spec);
  result.rope_trained_tokens = rope_limit(model.spec);
  for (size_t layer = 0; layer < model.spec.layers.size(); ++layer) {
    result.kv.push_back(model.kv_shape(static_cast<int64_t>(layer), block_tokens));
  }
  return result;
}

StepModel step_model(std::shared_ptr<const Model> model, ThreadPool& pool, int64_t block_tokens,
                     int64_t max_rows) {
  StepModel result = step_sizes(*model, block_tokens);
  say_if_slow(model->ops, result.kv);
  result.identity = [model, block_tokens] { return identity_of(*model, block_tokens); };
  auto runner = std::make_shared<Runner>(std::move(model), pool, max_rows);
  result.step = [runner](const Batch& batch, KvLayers kv, Mat logits) {
    forward(*runner->model, runner->queue, batch, kv, runner->workspace, logits);
  };
  return result;
}

}  // namespace octavo
