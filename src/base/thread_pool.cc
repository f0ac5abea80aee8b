#include "base/thread_pool.h"

#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <cmath>
#include <fstream>
#include <string>

namespace octavo {
namespace {

// Long enough to bridge the gap between two phases of a decode step, short enough not to burn an
// idle core.
constexpr int kSpins = 4000;

inline void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

template <class T>
void futex(const std::atomic<T>& word, int operation, uint32_t value) {
  static_assert(sizeof(std::atomic<T>) == sizeof(uint32_t) && std::atomic<T>::is_always_lock_free);
  ::syscall(SYS_futex, &word, operation, value, nullptr, nullptr, 0);
}

// Spins, then sleeps, until `value` is no longer `old`. Not std::atomic::wait: before it sleeps it
// yields, and on a machine with other work a thread that yields waits for all of that to have its
// turn, at each of the hundred phases of a decode step.
template <class T>
void wait_change(const std::atomic<T>& value, T old, std::atomic<int>& sleepers) {
  for (int i = 0; i < kSpins; ++i) {
    if (value.load(std::memory_order_acquire) != old) return;
    pause();
  }
  // Either this load sees the new value, or wake() sees the sleeper: both orders are seq_cst.
  sleepers.fetch_add(1, std::memory_order_seq_cst);
  while (value.load(std::memory_order_seq_cst) == old)
    futex(value, FUTEX_WAIT_PRIVATE, static_cast<uint32_t>(old));
  sleepers.fetch_sub(1, std::memory_order_relaxed);
}

// After a seq_cst change of `value`.
template <class T>
void wake(const std::atomic<T>& value, const std::atomic<int>& sleepers) {
  if (sleepers.load(std::memory_order_seq_cst) > 0) futex(value, FUTEX_WAKE_PRIVATE, INT_MAX);
}

// CPUs by the cgroup v2 quota ("max 100000" or "150000 100000"), 0: none set.
int quota_cpus() {
  std::ifstream file("/sys/fs/cgroup/cpu.max");
  std::string quota;
  double period = 0;
  if (!(file >> quota >> period) || quota == "max" || period <= 0) return 0;
  return std::max(1, static_cast<int>(std::ceil(std::strtod(quota.c_str(), nullptr) / period)));
}

}  // namespace

int usable_cpus() {
  cpu_set_t set;
  int cpus = 0;
  if (sched_getaffinity(0, sizeof(set), &set) == 0) cpus = CPU_COUNT(&set);
  if (cpus < 1) cpus = std::max(1u, std::thread::hardware_concurrency());
  const int quota = quota_cpus();
  return quota > 0 ? std::min(cpus, quota) : cpus;
}

ThreadPool::ThreadPool(int threads) {
  const int count = std::clamp(threads > 0 ? threads : usable_cpus(), 1, 1024);
  workers_.reserve(count - 1);
  for (int i = 1; i < count; ++i) workers_.emplace_back([this, i] { work(i); });
}

ThreadPool::~ThreadPool() {
  stop_.store(true, std::memory_order_relaxed);
  phase_.fetch_add(1, std::memory_order_seq_cst);
  wake(phase_, idle_);
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::work(int worker) {
  for (uint32_t seen = 0;;) {
    wait_change(phase_, seen, idle_);
    ++seen;
    if (stop_.load(std::memory_order_relaxed)) return;
    (*task_)(worker);
    if (pending_.fetch_sub(1, std::memory_order_seq_cst) == 1) wake(pending_, waiting_);
  }
}

void ThreadPool::run(FunctionRef<void(int)> task) noexcept {
  if (workers_.empty()) return task(0);
  task_ = &task;
  pending_.store(static_cast<int>(workers_.size()), std::memory_order_relaxed);
  phase_.fetch_add(1, std::memory_order_seq_cst);
  wake(phase_, idle_);
  task(0);
  for (int left = pending_.load(std::memory_order_acquire); left != 0;
       left = pending_.load(std::memory_order_acquire)) {
    wait_change(pending_, left, waiting_);
  }
}

void ThreadPool::split(int64_t count, int64_t grain,
                       FunctionRef<void(int64_t, int64_t, int)> task) noexcept {
  const int64_t chunks = (count + grain - 1) / grain;
  const int64_t parts = std::min<int64_t>(threads(), chunks);
  if (parts <= 1) {
    if (count > 0) task(0, count, 0);
    return;
  }
  run([&](int worker) {
    const int64_t begin = chunks * worker / threads() * grain;
    const int64_t end = std::min(count, chunks * (worker + 1) / threads() * grain);
    if (begin < end) task(begin, end, worker);
  });
}

void ThreadPool::each(int64_t count, FunctionRef<void(int64_t, int)> task) noexcept {
  if (count <= 1 || workers_.empty()) {
    for (int64_t i = 0; i < count; ++i) task(i, 0);
    return;
  }
  std::atomic<int64_t> next{0};
  run([&](int worker) {
    for (int64_t i = next.fetch_add(1, std::memory_order_relaxed); i < count;
         i = next.fetch_add(1, std::memory_order_relaxed))
      task(i, worker);
  });
}

}  // namespace octavo
