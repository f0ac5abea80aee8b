#include "engine/step_meter.h"

#include <algorithm>

namespace octavo {
namespace {

// Steps below this read the weights more than they compute: their time says little about a row's.
constexpr int64_t kTellingRows = 32;
// The first prompt, when nothing is known, is cut into pieces of this size.
constexpr int64_t kFirstRows = 128;
constexpr double kNewShare = 0.25;

// Written by one thread only, so a load and a store are enough.
template <class T>
void add(std::atomic<T>& counter, T value) {
  counter.store(counter.load(std::memory_order_relaxed) + value, std::memory_order_relaxed);
}

}  // namespace

void StepMeter::begin(double now) {
  begin_s_ = last_s_ = now;
  forward_s_ = 0;
}

void StepMeter::mark(Part part, double now) {
  add(parts_[static_cast<size_t>(part)], now - last_s_);
  if (part == Part::forward) forward_s_ += now - last_s_;
  last_s_ = now;
}

void StepMeter::end(double now, const Size& size) {
  const StepView view{.begin_s = begin_s_ - start_s_,
                      .duration_s = now - begin_s_,
                      .forward_s = forward_s_,
                      .rows = static_cast<int32_t>(size.rows),
                      .requests = static_cast<int32_t>(size.requests),
                      .preempted = static_cast<int32_t>(size.preempted)};
  if (ring_.size() < kRecent) {
    ring_.push_back(view);
  } else {
    ring_[next_] = view;
    next_ = (next_ + 1) % kRecent;
  }
  add<int64_t>(steps_, 1);
  if (size.rows == 0) return;
  const auto bucket = std::ranges::lower_bound(kStepRowBounds, size.rows) - kStepRowBounds.begin();
  add<int64_t>(by_rows_[bucket], 1);
  add(step_rows_, size.rows);
  last_rows_.store(size.rows, std::memory_order_relaxed);
  last_requests_.store(size.requests, std::memory_order_relaxed);
  learn(view.duration_s, size.rows);
}

void StepMeter::learn(double duration_s, int64_t rows) {
  if (rows < kTellingRows || duration_s <= 0) return;
  const double row = duration_s / static_cast<double>(rows);
  row_s_ = row_s_ == 0 ? row : row_s_ + kNewShare * (row - row_s_);
}

int64_t StepMeter::rows_within(double target_s, int64_t most) const {
  if (target_s <= 0) return most;
  if (row_s_ == 0) return std::min(kFirstRows, most);
  const double rows = std::min(target_s / row_s_, static_cast<double>(most));
  // Whole tiles of the kernels.
  const auto tiles = static_cast<int64_t>(rows) / kTellingRows;
  return std::min(most, std::max<int64_t>(1, tiles) * kTellingRows);
}

void StepMeter::add_to(EngineStats& stats) const {
  const auto read = [](const auto& value) { return value.load(std::memory_order_relaxed); };
  stats.steps = read(steps_);
  stats.step_rows = read(step_rows_);
  stats.last_batch_tokens = read(last_rows_);
  stats.last_batch_requests = read(last_requests_);
  for (size_t i = 0; i < by_rows_.size(); ++i) stats.steps_by_rows[i] = read(by_rows_[i]);
  stats.plan_s = read(parts_[0]);
  stats.forward_s = read(parts_[1]);
  stats.sample_s = read(parts_[2]);
  stats.deliver_s = read(parts_[3]);
}

std::vector<StepView> StepMeter::recent() const {
  std::vector<StepView> steps = ring_;
  std::ranges::rotate(steps, steps.begin() + static_cast<int64_t>(next_));
  return steps;
}

}  // namespace octavo
