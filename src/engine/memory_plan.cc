#include "engine/memory_plan.h"

#include <algorithm>
#include <string>

#include "cache/kv_cache.h"
#include "model/derive.h"
#include "model/forward.h"
#include "model/model.h"
#include "octavo/error.h"

namespace octavo {
namespace {

constexpr int64_t kMaxSeqs = 65536, kMaxBatchedTokens = 1 << 20;
// Kernels count slots (tokens of the whole cache) in 32 bits.
constexpr int64_t kMaxSlots = (int64_t{1} << 31) - 1;

// Program, tokenizer and template, stacks, buffers: measured on models of 0.1 to 1 GB.
constexpr int64_t kOtherBytes = int64_t{32} << 20;

void require(bool holds, const char* option, int64_t value, const char* mend) {
  if (!holds) throw Error("bad value " + std::to_string(value), option, mend);
}

}  // namespace

void check_ranges(const EngineOptions& options, int64_t max_positions) {
  require(options.max_num_seqs >= 1 && options.max_num_seqs <= kMaxSeqs, "max-num-seqs",
          options.max_num_seqs, "use a number from 1 to 65536");
  require(
      options.max_num_batched_tokens >= 1 && options.max_num_batched_tokens <= kMaxBatchedTokens,
      "max-num-batched-tokens", options.max_num_batched_tokens, "use a number from 1 to 1048576");
  require(
      options.block_tokens >= 16 && options.block_tokens % 16 == 0 && options.block_tokens <= 1024,
      "block-size", options.block_tokens, "use a multiple of 16 up to 1024");
  require(options.max_model_len >= 0 && options.max_model_len != 1 &&
              options.max_model_len <= max_positions,
          "max-model-len", options.max_model_len,
          ("use 2 to " + std::to_string(max_positions) + ", the model's own length").c_str());
  require(options.kv_cache_bytes >= 0, "kv-cache-memory-bytes", options.kv_cache_bytes,
          "use a positive number, or 0 to choose by the free memory");
  require(options.num_blocks >= 0 && options.num_blocks <= kMaxSlots / options.block_tokens,
          "num-blocks", options.num_blocks, "use at most 2^31 tokens, or 0 to choose by memory");
  if (!options.prefix_files.directory.empty() && options.prefix_files.model.empty()) {
    throw Error("the prefix cache's files need the model's config", "prefix-cache-dir",
                "give EngineOptions::prefix_files.model");
  }
  require(options.prefix_files.max_bytes >= 0, "prefix-cache-max-bytes",
          options.prefix_files.max_bytes, "use a number of bytes");
  require(options.max_queued_requests >= 0, "max-num-queued-reqs", options.max_queued_requests,
          "use a positive number, or 0 for no limit");
}

EngineOptions complete(EngineOptions options, const StepModel& model, int64_t taken_bytes) {
  check_ranges(options, model.max_positions);
  if (options.max_model_len == 0) options.max_model_len = model.max_positions;
  // Every running sequence gets at least one row a step.
  options.max_num_seqs = std::min(options.max_num_seqs, options.max_num_batched_tokens);
  const int64_t per_block = std::max<int64_t>(1, block_bytes(model.kv));
  const int64_t per_request =
      (options.max_model_len + options.block_tokens - 1) / options.block_tokens;
  if (options.num_blocks == 0) {
    int64_t bytes = options.kv_cache_bytes;
    if (bytes == 0) {
      const int64_t free = std::max<int64_t>(0, available_memory_bytes() - taken_bytes);
      bytes = std::max(free / 4, std::min(free / 2, per_request * per_block));
      bytes = std::min(bytes, options.max_num_seqs * per_request * per_block);
    }
    options.num_blocks = std::min(bytes / per_block, kMaxSlots / options.block_tokens);
  }
  if (options.num_blocks < per_request) {
    const int64_t largest = options.num_blocks * options.block_tokens;
    throw Error("the cache holds " + std::to_string(largest) + " tokens, one request needs " +
                    std::to_string(options.max_model_len),
                "kv-cache-memory-bytes",
                largest >= 2 ? "give it " + std::to_string(per_request * per_block) +
                                   " bytes, or use --max-model-len " + std::to_string(largest)
                             : "give it " + std::to_string(per_request * per_block) + " bytes");
  }
  options.kv_cache_bytes = options.num_blocks * per_block;
  return options;
}

MemoryPlan plan_memory(const Model& model, int64_t weights_bytes, const EngineOptions& options) {
  check_ranges(options, max_sequence_tokens(model.spec));
  MemoryPlan plan;
  plan.workspace_bytes =
      static_cast<int64_t>(workspace_bytes(model, options.max_num_batched_tokens));
  const StepModel sizes = step_sizes(model, options.block_tokens);
  plan.options = complete(options, sizes, weights_bytes + plan.workspace_bytes);
  plan.weights_bytes = weights_bytes;
  plan.kv_bytes = plan.options.kv_cache_bytes;
  plan.kv_tokens = plan.options.num_blocks * plan.options.block_tokens;
  // A row of logits a sequence; rows for the log-probabilities of prompts come on top when asked.
  plan.logits_bytes = plan.options.max_num_seqs * sizes.vocab * static_cast<int64_t>(sizeof(float));
  plan.other_bytes = kOtherBytes;
  return plan;
}

}  // namespace octavo
