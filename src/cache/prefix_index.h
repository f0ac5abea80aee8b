#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "cache/block_pool.h"
#include "octavo/tokens.h"

namespace octavo {

// Names the content of a full block and of all blocks before it: a SHA-256 over the parent's key
// and the block's tokens in a fixed byte order. Two different prefixes with one key would need a
// collision of SHA-256, which nobody can produce; so a hit needs no comparison of tokens, and keys
// of two processes agree.
struct BlockKey {
  std::array<uint8_t, 32> bytes{};
  bool operator==(const BlockKey&) const = default;
};

// What a cached prefix depends on besides its tokens.
struct PrefixIdentity {
  std::string_view salt = {};
  std::string_view adapter = {};  // name and content of what is added to the weights
  std::string_view media = {};  // content of what stands for tokens of the prompt, with its places
  int64_t rope_tokens = 0;  // length that the keys are rotated for, where the rope depends on it
};

// The key that stands before a sequence's first block.
BlockKey root_key(const PrefixIdentity& identity);
BlockKey child_key(const BlockKey& parent, std::span<const TokenId> tokens);

// Appends keys until there is one for each full block of `tokens`. REQUIRES: keys belong to the
// same tokens; `root` is their root_key.
void extend_keys(const BlockKey& root, std::span<const TokenId> tokens, int64_t block_tokens,
                 std::vector<BlockKey>& keys);

// Which block holds which prefix. A key has at most one block, a block at most one key. One thread.
class PrefixIndex {
 public:
  explicit PrefixIndex(int64_t blocks);

  std::optional<BlockId> find(const BlockKey& key) const;
  bool has(BlockId block) const { return known_[block]; }
  // Keeps the older block when the key is known already; returns whether `block` was entered.
  bool insert(const BlockKey& key, BlockId block);
  void erase(BlockId block);
  void clear();
  int64_t size() const { return static_cast<int64_t>(blocks_.size()); }

 private:
  struct Hash {
    size_t operator()(const BlockKey& key) const noexcept {
      size_t value;
      std::memcpy(&value, key.bytes.data(), sizeof(value));
      return value;
    }
  };

  std::unordered_map<BlockKey, BlockId, Hash> blocks_;
  std::vector<BlockKey> keys_;  // of each block, where known_
  std::vector<bool> known_;
};

}  // namespace octavo
