#include "cache/kv_cache.h"

#include <algorithm>
#include <fstream>
#include <limits>
#include <ranges>
#include <string>

#include "base/check.h"

namespace octavo {

KvCache::KvCache(const KvCacheOptions& options)
    : block_tokens_(options.layers.empty() ? 1 : options.layers.front().block_tokens),
      block_bytes_(octavo::block_bytes(options.layers)),
      prefix_caching_(options.prefix_caching),
      pool_(options.blocks),
      index_(options.blocks) {
  for (const KvShape& shape : options.layers) {
    OCTAVO_CHECK(shape.block_tokens == block_tokens_);
    const size_t bytes = static_cast<size_t>(shape.block_bytes()) * options.blocks;
    std::byte* const k = planes_.emplace_back(bytes).data();
    std::byte* const v = planes_.emplace_back(bytes).data();
    layers_.push_back({.shape = shape, .k = k, .v = v});
  }
}

KvCache::Match KvCache::find(std::span<const BlockKey> keys, int64_t limit) const {
  Match match;
  if (!prefix_caching_) return match;
  limit = std::min<int64_t>(limit, keys.size());
  for (; match.blocks < limit; ++match.blocks) {
    const auto block = index_.find(keys[match.blocks]);
    if (!block) break;
    if (pool_.references(*block) == 0) ++match.free_blocks;
  }
  return match;
}

int64_t KvCache::adopt(BlockTable& table, std::span<const BlockKey> keys, int64_t limit) {
  OCTAVO_CHECK(table.blocks.empty());
  const Match match = find(keys, limit);
  for (int64_t i = 0; i < match.blocks; ++i) {
    const BlockId block = *index_.find(keys[i]);
    pool_.retain(block);
    table.blocks.push_back(block);
  }
  table.sealed = match.blocks;
  return match.blocks;
}

void KvCache::grow(BlockTable& table, int64_t tokens) {
  const int64_t wanted = blocks_for(tokens);
  while (static_cast<int64_t>(table.blocks.size()) < wanted) {
    const BlockId block = pool_.take();
    index_.erase(block);
    table.blocks.push_back(block);
  }
}

void KvCache::seal(BlockTable& table, std::span<const BlockKey> keys, int64_t computed) {
  if (!prefix_caching_) return;
  const int64_t full = computed / block_tokens_;
  OCTAVO_CHECK(full <= static_cast<int64_t>(std::min(keys.size(), table.blocks.size())));
  for (; table.sealed < full; ++table.sealed) {
    index_.insert(keys[table.sealed], table.blocks[table.sealed]);
  }
}

void KvCache::release(BlockTable& table) {
  for (const BlockId block : std::views::reverse(table.blocks)) {
    pool_.release(block, index_.has(block) ? BlockPool::Reuse::late : BlockPool::Reuse::soon);
  }
  table.blocks.clear();
  table.sealed = 0;
}

void KvCache::discard(BlockTable& table) {
  for (const BlockId block : table.blocks) index_.erase(block);
  release(table);
}

int64_t KvCache::exclusive_blocks(const BlockTable& table) const {
  return std::ranges::count_if(table.blocks,
                               [this](BlockId block) { return pool_.references(block) == 1; });
}

void KvCache::copy_block(BlockId block, std::span<std::byte> out) const {
  OCTAVO_CHECK(static_cast<int64_t>(out.size()) == block_bytes_);
  std::byte* to = out.data();
  for (const KvLayer& layer : layers_) {
    const int64_t bytes = layer.shape.block_bytes();
    for (const std::byte* plane : {layer.k, layer.v}) {
      to = std::copy_n(plane + block * bytes, bytes, to);
    }
  }
}

void KvCache::fill_block(BlockId block, std::span<const std::byte> bytes) {
  const std::byte* from = bytes.data();
  for (const KvLayer& layer : layers_) {
    const int64_t count = layer.shape.block_bytes();
    for (std::byte* plane : {layer.k, layer.v}) {
      std::copy_n(from, count, plane + block * count);
      from += count;
    }
  }
}

int64_t KvCache::revive(std::span<const BlockKey> keys, int64_t limit, ReadBlock read) {
  if (!prefix_caching_) return 0;
  limit = std::min<int64_t>(limit, keys.size());
  // Held while others are taken, so that none of the prefix is evicted for its own sake.
  BlockTable table;
  std::vector<std::byte> bytes;
  int64_t found = 0;
  for (int64_t i = 0; i < limit; ++i) {
    if (const auto known = index_.find(keys[i])) {
      pool_.retain(*known);
      table.blocks.push_back(*known);
      continue;
    }
    if (pool_.free() == 0) break;
    bytes.resize(block_bytes_);
    if (!read(keys[i], bytes)) break;
    const BlockId block = pool_.take();
    index_.erase(block);
    fill_block(block, bytes);
    index_.insert(keys[i], block);
    table.blocks.push_back(block);
    ++found;
  }
  release(table);
  return found;
}

BlockUse KvCache::use_of(BlockId block) const {
  const int32_t users = pool_.references(block);
  if (users > 0) return users > 1 ? BlockUse::shared : BlockUse::used;
  return index_.has(block) ? BlockUse::cached : BlockUse::free;
}

void KvCache::forget() { index_.clear(); }

int64_t block_bytes(std::span<const KvShape> layers) {
  int64_t bytes = 0;
  for (const KvShape& shape : layers) bytes += 2 * shape.block_bytes();
  return bytes;
}

namespace {

// The first number of a file, or `otherwise` where it has none ("max").
int64_t number_in(const char* path, int64_t otherwise) {
  std::ifstream file(path);
  int64_t value = 0;
  return file >> value ? value : otherwise;
}

int64_t machine_memory_bytes() {
  std::ifstream file("/proc/meminfo");
  for (std::string word; file >> word;) {
    int64_t kib = 0;
    if (word == "MemAvailable:" && file >> kib) return kib * 1024;
  }
  return 0;
}

}  // namespace

int64_t available_memory_bytes() {
  constexpr int64_t kNone = std::numeric_limits<int64_t>::max();
  const int64_t limit = number_in("/sys/fs/cgroup/memory.max", kNone);
  const int64_t machine = machine_memory_bytes();
  if (limit == kNone) return machine;
  const int64_t left = std::max<int64_t>(0, limit - number_in("/sys/fs/cgroup/memory.current", 0));
  return machine == 0 ? left : std::min(machine, left);
}

}  // namespace octavo
