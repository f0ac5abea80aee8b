#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "base/thread_pool.h"
#include "cache/sha256.h"
#include "model/forward.h"
#include "ops/kv.h"
#include "tensor/view.h"

namespace octavo {

class Model;

// What the engine needs of a model: its sizes and one step. The seam by which tests put a model of
// their own under the engine.
struct StepModel {
  int64_t vocab = 0, max_positions = 0;
  std::vector<KvShape> kv;  // of each layer
  // The rope of a prompt longer than this depends on the prompt's length (see
  // Batch::prompt_tokens): such prompts share cached blocks only with prompts of the same length.
  std::optional<int64_t> rope_trained_tokens;
  // Writes keys, values and the logits [k, vocab] of the batch. An exception fails the step's
  // requests.
  std::function<void(const Batch&, KvLayers, Mat logits)> step;
  // Of all that the bytes of a block depend on besides its tokens: weights, kernels, layout. Slow;
  // any thread. None: blocks are not kept over a restart.
  std::function<Digest()> identity = {};
};

// The sizes alone, of a model that may have no weights yet.
StepModel step_sizes(const Model& model, int64_t block_tokens);

// forward() of a model with blocks of `block_tokens`, for steps of at most `max_rows` rows.
// Reserves the workspace.
StepModel step_model(std::shared_ptr<const Model> model, ThreadPool& pool, int64_t block_tokens,
                     int64_t max_rows);

}  // namespace octavo
