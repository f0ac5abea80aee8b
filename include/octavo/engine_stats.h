#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "octavo/request.h"

namespace octavo {

// What one tenant has and had. Kept while it has requests and for a while after.
struct TenantStats {
  std::string name;
  int64_t running = 0, waiting = 0, queued_tokens = 0;
  int64_t requests = 0, prompt_tokens = 0, cached_tokens = 0, generation_tokens = 0;
  double weighted_tokens = 0;  // the fairness counter
};

// Upper bounds of the histogram of rows per step; the last bucket of EngineStats::steps_by_rows is
// what lies above.
inline constexpr std::array<int64_t, 13> kStepRowBounds = {1,   8,    16,   32,   64,   128,  256,
                                                           512, 1024, 2048, 4096, 8192, 16384};

// Counters since the start, unless a line says otherwise.
struct EngineStats {
  // Now.
  int64_t running = 0, waiting = 0, blocks_total = 0, blocks_used = 0, blocks_cached = 0;
  int64_t waiting_capacity = 0;  // for blocks, rows or a place in the batch
  int64_t waiting_deferred = 0;  // for their tenant's limit on running requests
  int64_t queued_tokens = 0;     // prompt tokens of requests that have no first token yet

  int64_t steps = 0, preemptions = 0, prompt_tokens = 0, generation_tokens = 0;
  int64_t prefix_queries_tokens = 0, prefix_hits_tokens = 0;
  int64_t prefix_hits_disk_tokens = 0;  // of the hits, those that came from the directory
  int64_t corrupted_requests = 0;       // ended by logits that are not finite
  int64_t timeouts = 0;
  int64_t refused_tenant = 0, refused_engine = 0;

  int64_t last_batch_tokens = 0, last_batch_requests = 0;
  std::array<int64_t, kStepRowBounds.size() + 1> steps_by_rows = {};
  int64_t step_rows = 0;  // their sum
  // Seconds of all steps by part; `deliver` holds sealing blocks and calling sinks.
  double plan_s = 0, forward_s = 0, sample_s = 0, deliver_s = 0;

  // Measured lately; 0: not yet.
  double prefill_tokens_per_s = 0, requests_per_s = 0;

  // The directory of the prefix cache.
  int64_t disk_blocks = 0, disk_bytes = 0;  // now
  int64_t disk_blocks_written = 0, disk_blocks_read = 0;
  int64_t disk_files_rejected = 0, disk_write_failures = 0;

  std::vector<TenantStats> tenants;  // with requests now or not long ago
};

enum class RequestState : uint8_t { waiting, prefill, decode, preempted, finished };

// One request, for a live view.
struct RequestView {
  RequestId id = 0;
  std::string tenant;
  RequestState state = RequestState::waiting;
  int64_t prompt_tokens = 0, computed_tokens = 0, output_tokens = 0, cached_tokens = 0;
  int64_t priority = 0, preemptions = 0, blocks = 0;
  double age_s = 0;                                                    // since submission
  double waiting_s = 0, prefill_s = 0, decode_s = 0, preempted_s = 0;  // in each state so far
};

enum class BlockUse : uint8_t { free, used, cached, shared };

// One step, for a live view.
struct StepView {
  double begin_s = 0, duration_s = 0;  // begin: since the engine was made
  double forward_s = 0;                // of the duration
  int32_t rows = 0, requests = 0, preempted = 0;
};

// What the engine does now. Running requests first, then waiting ones in the order of service.
struct EngineSnapshot {
  double time_s = 0;  // since the engine was made
  std::vector<RequestView> requests;
  int64_t requests_left_out = 0;  // of those waiting, past the first 1024
  std::vector<BlockUse> blocks;   // [blocks_total]
  std::vector<StepView> steps;    // the latest, oldest first
  EngineStats stats;
};

}  // namespace octavo
