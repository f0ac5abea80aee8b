#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/function_ref.h"
#include "base/memory.h"
#include "model/forward.h"
#include "model/model.h"

namespace octavo {

// One sequence over a model with a cache of its own: for evaluation, calibration and the `logits`
// command. Serving goes through the engine. Belongs to one thread.
class Session {
 public:
  // Room for sequences of `max_tokens`; logits come in pieces of at most `rows_a_step` rows.
  Session(const Model& model, ThreadPool& pool, int64_t max_tokens, int64_t rows_a_step = 128);

  // Runs a whole sequence from position 0 and hands out the logits of every position, in order:
  // rows [first, first + logits.rows()). REQUIRES: ids below the vocabulary, 1 to max_tokens of
  // them. The tap, if any, sees each step.
  void run(std::span<const TokenId> ids, FunctionRef<void(int64_t first, Mat logits)> each,
           const Tap* tap = nullptr);

 private:
  const Model& model_;
  Queue queue_;
  int64_t rows_a_step_;
  HugeBuffer cache_;
  std::vector<KvLayer> kv_;
  Workspace workspace_;
  HugeBuffer logits_;
  std::vector<int32_t> table_, positions_, rows_;
};

}  // namespace octavo
