#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <thread>
#include <vector>

#include "cache/kv_cache.h"
#include "cache/prefix_files.h"
#include "octavo/engine.h"

namespace octavo {

// Carries blocks between the prefix cache and its directory, so that prefixes outlive the process
// and, on disk, their eviction. The engine's thread offers full blocks, copies them out a few a
// step and reads them back when a request wants them; a thread of the store's own writes. Files are
// opened there too, since naming the model means hashing its weights: until then nothing is found.
class PrefixStore {
 public:
  // Throws Error when the directory cannot be used. `identity` is called once, on the store's
  // thread.
  PrefixStore(const PrefixCacheFiles& files, int64_t block_bytes, std::function<Digest()> identity);
  ~PrefixStore();  // what is copied out is still written
  PrefixStore(const PrefixStore&) = delete;
  PrefixStore& operator=(const PrefixStore&) = delete;

  // ---- The engine's thread.

  // These blocks are in the cache's index and should be saved.
  void offer(std::span<const BlockKey> keys);
  // Their bytes can't be trusted.
  void withdraw(std::span<const BlockKey> keys);
  // Whether blocks wait to be copied out.
  bool pending() const { return !offered_.empty(); }
  // Copies out what the rate allows at `now` seconds.
  void copy_out(const KvCache& cache, double now);
  // Saves what is left, for at most `limit_s` seconds of real time.
  void save_all(const KvCache& cache, double limit_s);
  // Brings blocks of a request's prefix into the cache that are not there; returns how many.
  int64_t revive(KvCache& cache, std::span<const BlockKey> keys, int64_t limit);
  void clear();

  // ---- Any thread.
  void add_to(EngineStats& stats) const;

 private:
  struct Copy {
    BlockKey key;
    std::vector<std::byte> bytes;
  };

  void work();
  void write(Copy copy);
  // Null until the files are open, or if they could not be.
  PrefixFiles* files() const { return open_.load(std::memory_order_acquire); }
  bool wait_open(double limit_s);

  const PrefixCacheFiles options_;
  const int64_t block_bytes_;
  const size_t most_copies_;
  const std::function<Digest()> identity_;

  // The engine's thread.
  std::deque<BlockKey> offered_;
  double allowance_bytes_ = 0, last_s_ = -1;

  std::unique_ptr<PrefixFiles> files_;  // written by the store's thread before open_ is
  std::atomic<PrefixFiles*> open_{nullptr};
  std::atomic<bool> broken_{false};  // the disk takes no more; tried again at the next start

  mutable std::mutex mutex_;  // guards the following
  std::condition_variable changed_;
  std::deque<Copy> copies_;
  std::vector<std::vector<std::byte>> spare_;
  bool opened_ = false, writing_ = false, stop_ = false;

  std::thread thread_;
};

}  // namespace octavo
