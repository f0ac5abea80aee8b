#include "engine/scheduler.h"

#include <algorithm>

#include "base/check.h"

namespace octavo {
namespace {

int64_t blocks_for(int64_t tokens, const StepLimits& limits) {
  return (tokens + limits.block_tokens - 1) / limits.block_tokens;
}

// Rows and logits left in the step.
struct Budget {
  int64_t tokens, scored_rows;

  int64_t take(int64_t wanted, bool scores_prompt) {
    int64_t given = std::min(wanted, tokens);
    if (scores_prompt) {
      given = std::min(given, scored_rows);
      scored_rows -= given;
    }
    tokens -= given;
    return given;
  }
  // Decodes have what they want; what is left goes to prompts, up to the step's target.
  void leave_for_prompts(const StepLimits& limits) {
    if (limits.target_tokens == 0) return;
    const int64_t used = limits.max_tokens - tokens;
    tokens = std::min(tokens, std::max(kLeastPromptRows, limits.target_tokens - used));
  }
};

// Gives each running sequence the blocks it lacks, preempting from the end. Returns the free blocks
// left.
int64_t keep_running(const StepLimits& limits, const PlanInput& input, Plan& plan) {
  int64_t free = input.free_blocks;
  plan.keep = static_cast<int64_t>(input.running.size());
  for (int64_t i = 0; i < plan.keep; ++i) {
    const RunningInfo& sequence = input.running[i];
    const int64_t lacking = blocks_for(sequence.tokens, limits) - sequence.blocks;
    while (lacking > free && plan.keep > i) free += input.freed_by(--plan.keep);
    if (plan.keep > i) free -= std::max<int64_t>(lacking, 0);
  }
  return free;
}

void share_rows(const StepLimits& limits, const PlanInput& input, Plan& plan, Budget& budget) {
  for (int64_t i = 0; i < plan.keep; ++i) {
    const RunningInfo& sequence = input.running[i];
    OCTAVO_CHECK(sequence.computed < sequence.tokens);
    const bool decodes = sequence.tokens - sequence.computed == 1;
    plan.running.push_back({i, decodes ? budget.take(1, false) : 0});
  }
  budget.leave_for_prompts(limits);
  for (Share& share : plan.running) {
    const RunningInfo& sequence = input.running[share.index];
    const int64_t wanted = sequence.tokens - sequence.computed;
    if (wanted > 1) share.tokens = budget.take(wanted, sequence.scores_prompt);
  }
}

void admit(const StepLimits& limits, const PlanInput& input, int64_t free, Budget& budget,
           Plan& plan) {
  int64_t running = plan.keep;
  for (int64_t i = 0; i < input.waiting && budget.tokens > 0; ++i) {
    plan.lacks_room = running == limits.max_seqs;
    if (plan.lacks_room) return;
    const auto found = input.candidate(i);
    if (!found) return;
    const CandidateInfo& candidate = *found;
    OCTAVO_CHECK(candidate.cached_tokens < candidate.tokens);
    const int64_t needed = blocks_for(candidate.tokens, limits) -
                           candidate.cached_tokens / limits.block_tokens +
                           candidate.cached_free_blocks;
    plan.lacks_room = needed + running > free;
    if (plan.lacks_room) return;
    free -= needed;
    ++running;
    plan.admitted.push_back(
        {i, budget.take(candidate.tokens - candidate.cached_tokens, candidate.scores_prompt)});
  }
}

}  // namespace

void plan_step(const StepLimits& limits, const PlanInput& input, Plan& plan) {
  OCTAVO_CHECK(limits.max_seqs <= limits.max_tokens && limits.max_scored_rows >= 1);
  plan.running.clear();
  plan.admitted.clear();
  plan.lacks_room = false;
  Budget budget{limits.max_tokens, limits.max_scored_rows};
  const int64_t free = keep_running(limits, input, plan);
  share_rows(limits, input, plan, budget);
  if (plan.keep == static_cast<int64_t>(input.running.size())) {
    admit(limits, input, free, budget, plan);
  }
}

}  // namespace octavo
