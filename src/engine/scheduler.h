#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/function_ref.h"

namespace octavo {

// What one step may use.
struct StepLimits {
  int64_t max_seqs = 0;         // running at a time; at most max_tokens
  int64_t max_tokens = 0;       // rows of a step
  int64_t max_scored_rows = 0;  // rows of prompts that want all their logits; at least 1
  int64_t block_tokens = 1;
  // A step gives prompts no more rows than fill it up to here, but a few always. At most
  // max_tokens; 0: max_tokens.
  int64_t target_tokens = 0;
};

// Rows that prompts get in every step with room for them, however many decodes there are.
inline constexpr int64_t kLeastPromptRows = 32;

struct RunningInfo {
  int64_t tokens = 0;    // prompt and output so far: what the sequence wants computed
  int64_t computed = 0;  // below tokens
  int64_t blocks = 0;    // that it holds
  bool scores_prompt = false;
};

struct CandidateInfo {
  int64_t tokens = 0;
  int64_t cached_tokens = 0;       // its longest cached prefix, in full blocks; below tokens
  int64_t cached_free_blocks = 0;  // blocks of that prefix which nobody uses now
  bool scores_prompt = false;
};

// Both lists are in rank order: whoever stands first is served first and preempted last. First
// come, first served and priorities differ in that order only.
struct PlanInput {
  std::span<const RunningInfo> running;
  int64_t waiting = 0;
  int64_t free_blocks = 0;
  // Asked for 0, 1, ... in order; nothing: whoever is left may not run now.
  FunctionRef<std::optional<CandidateInfo>(int64_t waiting)> candidate;
  // Blocks that become free when this running sequence alone is preempted. A lower bound is
  // correct.
  FunctionRef<int64_t(int64_t running)> freed_by;
};

// Rows that a sequence gets; `index` in the list of running or of waiting ones.
struct Share {
  int64_t index = 0, tokens = 0;
  bool operator==(const Share&) const = default;
};

struct Plan {
  int64_t keep = 0;             // running sequences [keep, end) are preempted
  std::vector<Share> running;   // of the kept ones, in rank order; some may get nothing
  std::vector<Share> admitted;  // waiting sequences 0, 1, ... in order; some may get nothing yet
  bool lacks_room = false;      // the next waiting one found no place or not enough blocks
};

// Plans one step; pure. There are no phases of prefill and decode: a sequence wants its tokens
// computed, and a step hands out rows.
//
// - Sequences that lack one row (decodes) come first, so that a long prompt does not delay them;
//   then chunks of prompts in rank order. As max_seqs <= max_tokens, the first sequence always gets
//   a row.
// - A running sequence that needs a block when none is free preempts the last in rank, at worst
//   itself. So the first one always progresses, and every sequence becomes the first one.
// - A waiting sequence is admitted only in order, only in a step without preemption, and only when
//   all its tokens fit in free blocks, with one block to spare for each sequence that runs. Its
//   blocks are all taken then.
//
// The plan may give no rows at all only when it preempts. Reuses the vectors of `plan`.
void plan_step(const StepLimits& limits, const PlanInput& input, Plan& plan);

}  // namespace octavo
