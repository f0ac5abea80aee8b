#pragma once

#include <cstdint>

#include "engine/step_model.h"
#include "octavo/engine.h"

namespace octavo {

// Throws Error naming an option that is out of range for a model of `max_positions`.
void check_ranges(const EngineOptions& options, int64_t max_positions);

// The options with every zero filled in from the model and this machine's memory, `taken_bytes` of
// which are spoken for. Throws Error when an option is out of range or the cache can't hold one
// request of max_model_len.
EngineOptions complete(EngineOptions options, const StepModel& model, int64_t taken_bytes = 0);

// What serving a model will hold in memory once the cache is full.
struct MemoryPlan {
  EngineOptions options;  // complete
  int64_t weights_bytes = 0, kv_bytes = 0, workspace_bytes = 0, logits_bytes = 0;
  int64_t other_bytes = 0;  // program, tokenizer, threads: about
  int64_t kv_tokens = 0;
  int64_t total_bytes() const {
    return weights_bytes + kv_bytes + workspace_bytes + logits_bytes + other_bytes;
  }
};

// `model`: spec, kernels and types; its weights are not needed. Throws Error as complete() does.
MemoryPlan plan_memory(const Model& model, int64_t weights_bytes, const EngineOptions& options);

}  // namespace octavo
