#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/function_ref.h"
#include "base/memory.h"
#include "cache/block_pool.h"
#include "cache/prefix_index.h"
#include "octavo/engine_stats.h"
#include "ops/kv.h"

namespace octavo {

// A sequence's blocks in the order of its tokens. Changed by KvCache only.
struct BlockTable {
  std::vector<BlockId> blocks;
  int64_t sealed = 0;  // leading blocks that were offered to the prefix index
};

struct KvCacheOptions {
  std::vector<KvShape> layers;  // all with one block_tokens
  int64_t blocks = 0;
  bool prefix_caching = true;
};

// Keys and values of all sequences: the memory, who uses which block, and which blocks hold a
// prefix that another sequence may share. Full blocks are never written again, so sharing needs no
// copy. One thread.
class KvCache {
 public:
  // Throws Error when there is no such memory. Pages are taken when first written.
  explicit KvCache(const KvCacheOptions& options);

  std::span<const KvLayer> layers() const { return layers_; }
  int64_t block_tokens() const { return block_tokens_; }
  int64_t blocks_for(int64_t tokens) const { return (tokens + block_tokens_ - 1) / block_tokens_; }
  const BlockPool& pool() const { return pool_; }
  int64_t cached_blocks() const { return index_.size(); }

  struct Match {
    int64_t blocks = 0;       // leading blocks found
    int64_t free_blocks = 0;  // of them unused now: adopting takes them from the free ones
  };
  // The longest cached prefix of `keys`, at most `limit` blocks.
  Match find(std::span<const BlockKey> keys, int64_t limit) const;
  // Shares the blocks that find() would report; returns how many. REQUIRES: an empty table.
  int64_t adopt(BlockTable& table, std::span<const BlockKey> keys, int64_t limit);

  // Adds blocks until `tokens` fit. REQUIRES: enough free blocks.
  void grow(BlockTable& table, int64_t tokens);
  // Offers the blocks that are full with `computed` tokens to other sequences. REQUIRES: a key for
  // each.
  void seal(BlockTable& table, std::span<const BlockKey> keys, int64_t computed);
  // Gives all blocks back, the last first, so that the end of a prefix is evicted before its start.
  void release(BlockTable& table);
  // release(), and nobody may share these blocks any more: their bytes can't be trusted.
  void discard(BlockTable& table);
  // Blocks that nobody else uses: what release() would make free.
  int64_t exclusive_blocks(const BlockTable& table) const;

  // The block that holds a prefix now.
  std::optional<BlockId> block_of(const BlockKey& key) const { return index_.find(key); }
  // Bytes of one block over all layers; its copy [block_bytes]: keys, then values, layer by layer.
  int64_t block_bytes() const { return block_bytes_; }
  void copy_block(BlockId block, std::span<std::byte> out) const;
  // Makes the prefix of at most `limit` blocks cached as far as `read` knows the blocks that are
  // missing, in blocks that are free. Returns how many it read. `read` fills [block_bytes] or says
  // no.
  using ReadBlock = FunctionRef<bool(const BlockKey&, std::span<std::byte>)>;
  int64_t revive(std::span<const BlockKey> keys, int64_t limit, ReadBlock read);

  // Whether a block is used, by how many, or free with a prefix in it that can be found.
  BlockUse use_of(BlockId block) const;

  // Forgets every cached prefix: the bytes can't be trusted, or nothing may be reused. Blocks in
  // use stay.
  void forget();

 private:
  void fill_block(BlockId block, std::span<const std::byte> bytes);

  int64_t block_tokens_, block_bytes_;
  bool prefix_caching_;
  BlockPool pool_;
  PrefixIndex index_;
  std::vector<HugeBuffer> planes_;  // k and v of each layer
  std::vector<KvLayer> layers_;
};

// Bytes of one block over all layers, keys and values.
int64_t block_bytes(std::span<const KvShape> layers);

// Memory that this process may still take: free memory of the machine, cut by the cgroup's limit.
// 0: unknown.
int64_t available_memory_bytes();

}  // namespace octavo
