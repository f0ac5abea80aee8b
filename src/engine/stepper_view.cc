#include <algorithm>

#include "engine/stepper.h"

// What others may see of the stepper.

namespace octavo {
namespace {

constexpr size_t kMostWaiting = 1024;

RequestView view_of(const Sequence& sequence, double now) {
  using State = Sequence::State;
  return {.id = sequence.id(),
          .tenant = sequence.tenant->name,
          .state = sequence.state(),
          .prompt_tokens = sequence.prompt_length(),
          .computed_tokens = sequence.computed,
          .output_tokens = sequence.output_length(),
          .cached_tokens = sequence.cached_tokens,
          .priority = sequence.priority(),
          .preemptions = sequence.preemptions,
          .blocks = static_cast<int64_t>(sequence.table.blocks.size()),
          .age_s = now - sequence.times.arrival_s,
          .waiting_s = sequence.spent_s(State::waiting, now),
          .prefill_s = sequence.spent_s(State::prefill, now),
          .decode_s = sequence.spent_s(State::decode, now),
          .preempted_s = sequence.spent_s(State::preempted, now)};
}

}  // namespace

void LiveStats::add_to(EngineStats& stats) const {
  const auto read = [](const Count& value) { return value.load(std::memory_order_relaxed); };
  stats.running = read(running);
  stats.waiting_deferred = read(deferred);
  stats.blocks_used = read(blocks_used);
  stats.blocks_cached = read(blocks_cached);
  stats.preemptions = read(preemptions);
  stats.prompt_tokens = read(prompt_tokens);
  stats.generation_tokens = read(generation_tokens);
  stats.prefix_queries_tokens = read(prefix_queries_tokens);
  stats.prefix_hits_tokens = read(prefix_hits_tokens);
  stats.prefix_hits_disk_tokens = read(prefix_hits_disk_tokens);
  stats.corrupted_requests = read(corrupted);
  stats.timeouts = read(timeouts);
}

void Stepper::add_to(EngineStats& stats) const {
  stats_.add_to(stats);
  meter_.add_to(stats);
  if (store_) store_->add_to(stats);
}

void Stepper::for_each(FunctionRef<void(const Sequence&)> visit) const {
  for (const Owned& sequence : running_) visit(*sequence);
  waiting_.for_each([&](const Sequence& sequence) { visit(sequence); });
}

EngineSnapshot Stepper::view() const {
  const double now = now_();
  EngineSnapshot view;
  view.time_s = meter_.since_start(now);
  for (const Owned& sequence : running_) view.requests.push_back(view_of(*sequence, now));
  std::vector<const Sequence*> waiting;
  waiting_.for_each([&](Sequence& sequence) { waiting.push_back(&sequence); });
  std::ranges::sort(waiting, [this](auto* a, auto* b) { return before(*a, *b); });
  const size_t shown = std::min(waiting.size(), kMostWaiting);
  view.requests_left_out = static_cast<int64_t>(waiting.size() - shown);
  for (size_t i = 0; i < shown; ++i) view.requests.push_back(view_of(*waiting[i], now));
  const int64_t blocks = cache_.pool().total();
  view.blocks.reserve(blocks);
  for (BlockId block = 0; block < blocks; ++block) view.blocks.push_back(cache_.use_of(block));
  view.steps = meter_.recent();
  return view;
}

}  // namespace octavo
