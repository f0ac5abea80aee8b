#include "engine/prefix_store.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <string>
#include <utility>

#include "base/log.h"
#include "octavo/error.h"

namespace octavo {
namespace {

constexpr int64_t kCopiedBytes = int64_t{32} << 20;  // between the engine and the writer
constexpr size_t kMostOffered = 1 << 16;
// Failed writes in a row after which a disk is left alone.
constexpr int64_t kMostFailures = 8;

std::chrono::duration<double> seconds(double s) { return std::chrono::duration<double>(s); }

}  // namespace

PrefixStore::PrefixStore(const PrefixCacheFiles& files, int64_t block_bytes,
                         std::function<Digest()> identity)
    : options_(files),
      block_bytes_(block_bytes),
      most_copies_(static_cast<size_t>(std::max<int64_t>(2, kCopiedBytes / block_bytes))),
      identity_(std::move(identity)) {
  std::error_code error;
  std::filesystem::create_directories(options_.directory, error);
  if (error || !std::filesystem::is_directory(options_.directory)) {
    throw Error("the folder of the prefix cache cannot be used", options_.directory,
                "give --prefix-cache-dir a folder that may be written");
  }
  thread_ = std::thread([this] { work(); });
}

PrefixStore::~PrefixStore() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void PrefixStore::work() {
  try {
    files_ = std::make_unique<PrefixFiles>(PrefixFiles::Options{.folder = options_.directory,
                                                                .max_bytes = options_.max_bytes,
                                                                .block_bytes = block_bytes_,
                                                                .identity = identity_()});
    open_.store(files_.get(), std::memory_order_release);
  } catch (const std::exception& error) {
    log_line(std::string("the prefix cache is not kept: ") + error.what());
    broken_ = true;
  }
  std::unique_lock lock(mutex_);
  opened_ = true;
  changed_.notify_all();
  for (;;) {
    changed_.wait(lock, [this] { return stop_ || !copies_.empty(); });
    if (copies_.empty()) return;
    Copy copy = std::move(copies_.front());
    copies_.pop_front();
    writing_ = true;
    lock.unlock();
    write(std::move(copy));
    lock.lock();
    writing_ = false;
    changed_.notify_all();
  }
}

void PrefixStore::write(Copy copy) {
  PrefixFiles* const files = this->files();
  if (files != nullptr && !broken_) {
    if (!files->write(copy.key, copy.bytes) && files->counts().failures >= kMostFailures &&
        !broken_.exchange(true)) {
      log_line("the prefix cache's disk takes no more: what is there stays in use (" +
               options_.directory + ")");
    }
  }
  const std::lock_guard lock(mutex_);
  spare_.push_back(std::move(copy.bytes));
}

void PrefixStore::offer(std::span<const BlockKey> keys) {
  offered_.insert(offered_.end(), keys.begin(), keys.end());
  while (offered_.size() > kMostOffered) offered_.pop_front();
}

void PrefixStore::withdraw(std::span<const BlockKey> keys) {
  for (const BlockKey& key : keys) {
    std::erase(offered_, key);
    {
      std::unique_lock lock(mutex_);
      std::erase_if(copies_, [&](const Copy& copy) { return copy.key == key; });
      changed_.wait(lock, [this] { return !writing_; });
    }
    if (PrefixFiles* const open = files()) open->remove(key);
  }
}

void PrefixStore::copy_out(const KvCache& cache, double now) {
  if (broken_) offered_.clear();
  const double rate = options_.write_bytes_per_s;
  const auto most = std::max(rate, static_cast<double>(block_bytes_));
  if (last_s_ >= 0) allowance_bytes_ += std::max(0.0, now - last_s_) * rate;
  allowance_bytes_ = std::min(allowance_bytes_, most);
  last_s_ = now;
  const PrefixFiles* const open = files();
  while (!offered_.empty() && allowance_bytes_ >= static_cast<double>(block_bytes_)) {
    const BlockKey key = offered_.front();
    const auto block = cache.block_of(key);
    Copy copy{.key = key, .bytes = {}};
    if (block && (open == nullptr || !open->has(key))) {
      const std::lock_guard lock(mutex_);
      if (copies_.size() >= most_copies_) return;
      if (!spare_.empty()) {
        copy.bytes = std::move(spare_.back());
        spare_.pop_back();
      }
    }
    offered_.pop_front();
    if (!block || (open != nullptr && open->has(key))) continue;
    copy.bytes.resize(block_bytes_);
    cache.copy_block(*block, copy.bytes);
    allowance_bytes_ -= static_cast<double>(block_bytes_);
    {
      const std::lock_guard lock(mutex_);
      copies_.push_back(std::move(copy));
    }
    changed_.notify_all();
  }
}

bool PrefixStore::wait_open(double limit_s) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, seconds(limit_s), [this] { return opened_; }) && !broken_;
}

void PrefixStore::save_all(const KvCache& cache, double limit_s) {
  const auto end = std::chrono::steady_clock::now() + seconds(limit_s);
  if (!offered_.empty() && wait_open(limit_s)) {
    std::vector<std::byte> bytes(block_bytes_);
    for (; !offered_.empty() && std::chrono::steady_clock::now() < end; offered_.pop_front()) {
      const BlockKey& key = offered_.front();
      const auto block = cache.block_of(key);
      if (!block || files()->has(key) || broken_) continue;
      cache.copy_block(*block, bytes);
      if (!files()->write(key, bytes)) break;
    }
  }
  offered_.clear();
  std::unique_lock lock(mutex_);
  changed_.wait_until(lock, end, [this] { return copies_.empty() && !writing_; });
}

int64_t PrefixStore::revive(KvCache& cache, std::span<const BlockKey> keys, int64_t limit) {
  PrefixFiles* const open = files();
  if (open == nullptr) return 0;
  return cache.revive(keys, limit, [open](const BlockKey& key, std::span<std::byte> bytes) {
    return open->has(key) && open->read(key, bytes);
  });
}

void PrefixStore::clear() {
  offered_.clear();
  {
    std::unique_lock lock(mutex_);
    copies_.clear();
    changed_.wait(lock, [this] { return !writing_; });
  }
  if (PrefixFiles* const open = files()) open->clear();
}

void PrefixStore::add_to(EngineStats& stats) const {
  const PrefixFiles* const open = files();
  if (open == nullptr) return;
  const PrefixFiles::Counts counts = open->counts();
  stats.disk_blocks = counts.blocks;
  stats.disk_bytes = counts.bytes;
  stats.disk_blocks_written = counts.written;
  stats.disk_blocks_read = counts.read;
  stats.disk_files_rejected = counts.rejected;
  stats.disk_write_failures = counts.failures;
}

}  // namespace octavo
