#pragma once

#include <cstddef>
#include <vector>

#include "base/memory.h"
#include "base/thread_pool.h"

namespace octavo {

// Where kernels run: on the CPU a thread pool with scratch memory. Belongs to one thread, like its
// pool.
class Queue {
 public:
  explicit Queue(ThreadPool& pool) : pool_(pool), worker_scratch_(pool.threads()) {}

  ThreadPool& pool() { return pool_; }

  // Scratch shared by the workers of one kernel, 64-byte aligned; its content is gone with the next
  // kernel that asks. Grows to the largest request and stays: after the first step of each shape
  // nothing is allocated.
  std::byte* scratch(size_t bytes) { return grown(scratch_, bytes); }
  // Scratch of one worker's own. May be called inside a phase by that worker.
  std::byte* worker_scratch(int worker, size_t bytes) {
    return grown(worker_scratch_[worker], bytes);
  }

 private:
  static std::byte* grown(HugeBuffer& buffer, size_t bytes) {
    if (buffer.size_bytes() < bytes) buffer = HugeBuffer(bytes + bytes / 2);
    return buffer.data();
  }

  ThreadPool& pool_;
  HugeBuffer scratch_;
  std::vector<HugeBuffer> worker_scratch_;
};

}  // namespace octavo
