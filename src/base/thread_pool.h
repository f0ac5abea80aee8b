#pragma once

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

#include "base/function_ref.h"

namespace octavo {

// Persistent workers for data-parallel phases. The caller is worker 0; the others spin for some ten
// microseconds after a phase and then sleep, so an idle pool uses no CPU. One phase runs at a time:
// a pool belongs to one calling thread (the engine's, the quantizer's); calls must not nest. Tasks
// must not throw.
class ThreadPool {
 public:
  // 0: as many as this process may use (affinity and cgroup quota). At least 1; 1 starts no thread.
  explicit ThreadPool(int threads = 0);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const { return static_cast<int>(workers_.size()) + 1; }

  // Runs task(worker) once on each worker and returns when all are done.
  void run(FunctionRef<void(int worker)> task) noexcept;

  // Splits [0, count) into one contiguous range a worker, boundaries at multiples of `grain`, and
  // runs task(begin, end, worker). The split must not change results: an item's result depends on
  // the item alone.
  void split(int64_t count, int64_t grain, FunctionRef<void(int64_t, int64_t, int)> task) noexcept;

  // Hands out items 0..count-1 one by one to whichever worker is free: for items of uneven cost.
  void each(int64_t count, FunctionRef<void(int64_t item, int worker)> task) noexcept;

 private:
  void work(int worker);

  std::vector<std::thread> workers_;
  FunctionRef<void(int)>* task_ =
      nullptr;  // written before phase_ is released, read after it is acquired
  alignas(64) std::atomic<uint32_t> phase_{0};
  alignas(64) std::atomic<int> pending_{0};
  std::atomic<int> idle_{0}, waiting_{0};  // asleep for phase_ and for pending_
  std::atomic<bool> stop_{false};
};

// CPUs that this process may really use: affinity mask, cut by the cgroup's quota.
int usable_cpus();

}  // namespace octavo
