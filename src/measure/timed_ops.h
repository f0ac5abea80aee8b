#pragma once

#include <chrono>
#include <cstdint>
#include <string_view>
#include <vector>

#include "ops/ops.h"
#include "tensor/queue.h"

namespace octavo::measure {

// One call of an entry of the table.
struct TimedCall {
  std::string_view entry;          // "matmul", "attention", ...
  const Weight* weight = nullptr;  // matmul: its first matrix; embed: the table
  int products = 0;                // matmul: how many matrices
  const std::byte* kv = nullptr;   // attention and write_kv: the keys of the layer's cache
  double seconds = 0;
  double bytes = 0;       // that must come from memory: weights, keys and values
  double operations = 0;  // of products and scores, a multiply-add two
  Compute compute = Compute::f32;
};

// The queue that a timed table's entries expect: it knows the table behind them and keeps what they
// took.
class TimedQueue : public Queue {
 public:
  TimedQueue(ThreadPool& pool, const Ops& inner) : Queue(pool), inner_(inner) {
    calls_.reserve(4096);
  }

  const Ops& inner() const { return inner_; }
  void add(TimedCall call) { calls_.push_back(call); }
  // Calls since the last time, in order.
  std::vector<TimedCall> take() {
    std::vector<TimedCall> calls;
    calls.reserve(calls_.size());
    calls.swap(calls_);
    return calls;
  }

 private:
  const Ops inner_;
  std::vector<TimedCall> calls_;
};

// `inner` with a clock around every entry that works on a queue. REQUIRES: entries are called with
// a TimedQueue over the same table.
Ops timed_ops(const Ops& inner);

}  // namespace octavo::measure
