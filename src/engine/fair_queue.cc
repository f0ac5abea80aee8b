#include "engine/fair_queue.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace octavo {

void FairQueue::push(std::unique_ptr<Sequence> sequence) {
  Level& level = levels_[priorities_ ? sequence->priority() : 0];
  auto line = std::ranges::find(level, sequence->tenant, [](const auto& l) { return l->tenant; });
  if (line == level.end()) {
    level.push_back(std::make_unique<Line>(sequence->tenant));
    line = std::prev(level.end());
  }
  auto& list = (*line)->sequences;
  const auto place = std::ranges::upper_bound(list, sequence->id(), {},
                                              [](const auto& other) { return other->id(); });
  list.insert(place, std::move(sequence));
  ++size_;
}

void FairQueue::restart() {
  for (Line* line : picks_) line->picked = 0;
  picks_.clear();
  reckonings_.clear();
}

bool FairQueue::may_run(const Tenant& tenant) const {
  if (tenant.limits.max_running == 0) return true;
  const auto found = reckonings_.find(&tenant);
  const int64_t picked = found == reckonings_.end() ? 0 : found->second.picked;
  return tenant.running.load(std::memory_order_relaxed) + picked < tenant.limits.max_running;
}

double FairQueue::counter(const Tenant& tenant) const {
  const auto found = reckonings_.find(&tenant);
  return tenant.served.load(std::memory_order_relaxed) +
         (found == reckonings_.end() ? 0 : found->second.tokens);
}

FairQueue::Line* FairQueue::next_of(const Level& level) const {
  Line* best = nullptr;
  double least = 0;
  for (const std::unique_ptr<Line>& line : level) {
    if (line->picked == static_cast<int64_t>(line->sequences.size())) continue;
    if (!may_run(*line->tenant)) continue;
    const double served = counter(*line->tenant);
    const auto head = [](const Line& l) { return l.sequences[l.picked]->id(); };
    if (best == nullptr || served < least || (served == least && head(*line) < head(*best))) {
      best = line.get();
      least = served;
    }
  }
  return best;
}

Sequence* FairQueue::pick(int64_t i) {
  OCTAVO_CHECK(i == static_cast<int64_t>(picks_.size()));
  for (const auto& [priority, level] : levels_) {
    Line* const line = next_of(level);
    if (line == nullptr) continue;
    picks_.push_back(line);
    ++reckonings_[line->tenant.get()].picked;
    return line->sequences[line->picked++].get();
  }
  return nullptr;
}

void FairQueue::expect(double tokens) {
  OCTAVO_CHECK(!picks_.empty());
  const Tenant& tenant = *picks_.back()->tenant;
  reckonings_[&tenant].tokens += tokens / tenant.limits.weight;
}

std::vector<std::unique_ptr<Sequence>> FairQueue::take(int64_t count) {
  OCTAVO_CHECK(count <= static_cast<int64_t>(picks_.size()));
  std::vector<std::unique_ptr<Sequence>> taken;
  for (int64_t i = 0; i < count; ++i) {
    auto& list = picks_[i]->sequences;
    taken.push_back(std::move(list.front()));
    list.pop_front();
  }
  size_ -= count;
  restart();
  drop_empty();
  return taken;
}

void FairQueue::erase_finished() {
  restart();
  for (auto& [priority, level] : levels_) {
    for (const std::unique_ptr<Line>& line : level) {
      size_ -= static_cast<int64_t>(std::erase_if(line->sequences, [](const auto& sequence) {
        return sequence->state() == Sequence::State::finished;
      }));
    }
  }
  drop_empty();
}

void FairQueue::drop_empty() {
  for (auto& [priority, level] : levels_) {
    std::erase_if(level, [](const auto& line) { return line->sequences.empty(); });
  }
  std::erase_if(levels_, [](const auto& entry) { return entry.second.empty(); });
}

void FairQueue::for_each(FunctionRef<void(Sequence&)> visit) const {
  for (const auto& [priority, level] : levels_) {
    for (const std::unique_ptr<Line>& line : level) {
      for (const auto& sequence : line->sequences) visit(*sequence);
    }
  }
}

int64_t FairQueue::deferred() const {
  int64_t count = 0;
  for (const auto& [priority, level] : levels_) {
    for (const std::unique_ptr<Line>& line : level) {
      const TenantLimits& limits = line->tenant->limits;
      if (limits.max_running > 0 && line->tenant->running.load() >= limits.max_running) {
        count += static_cast<int64_t>(line->sequences.size());
      }
    }
  }
  return count;
}

}  // namespace octavo
