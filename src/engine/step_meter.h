#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <vector>

#include "octavo/engine_stats.h"

namespace octavo {

// Where the time of the steps goes, how many rows they have, and how fast rows are computed.
// Written by the engine's thread; add_to() may be called from any.
class StepMeter {
 public:
  enum class Part : uint8_t { plan, forward, sample, deliver };

  explicit StepMeter(double now) : start_s_(now) {}

  void begin(double now);
  // The time since the last call belongs to `part`.
  void mark(Part part, double now);
  struct Size {
    int64_t rows = 0, requests = 0, preempted = 0;
  };
  void end(double now, const Size& size);

  // Rows that a step of `target_s` may have at the measured rate; `most` while nothing is known
  // that says otherwise.
  int64_t rows_within(double target_s, int64_t most) const;
  double rows_per_s() const { return row_s_ > 0 ? 1 / row_s_ : 0; }

  void add_to(EngineStats& stats) const;
  std::vector<StepView> recent() const;  // oldest first; the engine's thread
  double since_start(double now) const { return now - start_s_; }

 private:
  static constexpr size_t kRecent = 256;
  using Count = std::atomic<int64_t>;

  void learn(double duration_s, int64_t rows);

  const double start_s_;
  double begin_s_ = 0, last_s_ = 0, forward_s_ = 0;
  double row_s_ = 0;  // seconds a row of steps that are not small; 0: unknown
  std::vector<StepView> ring_;
  size_t next_ = 0;

  Count steps_{0}, step_rows_{0}, last_rows_{0}, last_requests_{0};
  std::array<Count, kStepRowBounds.size() + 1> by_rows_ = {};
  std::array<std::atomic<double>, 4> parts_ = {};
};

}  // namespace octavo
