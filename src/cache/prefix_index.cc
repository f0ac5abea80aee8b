#include "cache/prefix_index.h"

#include "base/check.h"
#include "cache/sha256.h"

namespace octavo {
namespace {

BlockKey child(Sha256& sha, const BlockKey& parent, std::span<const TokenId> tokens) {
  sha.add(parent.bytes.data(), parent.bytes.size());
  sha.add_number(tokens.size(), 4);
  for (const TokenId token : tokens) sha.add_number(static_cast<uint32_t>(token), 4);
  return {sha.finish()};
}

}  // namespace

BlockKey root_key(const PrefixIdentity& identity) {
  Sha256 sha;
  sha.add("octavo kv 2");
  sha.add_number(static_cast<uint64_t>(identity.rope_tokens), 8);
  // Each with its length before it, so that no two lists of keys spell the same bytes.
  for (const std::string_view key : {identity.salt, identity.adapter, identity.media}) {
    sha.add_number(key.size(), 8);
    sha.add(key);
  }
  return {sha.finish()};
}

BlockKey child_key(const BlockKey& parent, std::span<const TokenId> tokens) {
  Sha256 sha;
  return child(sha, parent, tokens);
}

void extend_keys(const BlockKey& root, std::span<const TokenId> tokens, int64_t block_tokens,
                 std::vector<BlockKey>& keys) {
  const int64_t full = static_cast<int64_t>(tokens.size()) / block_tokens;
  if (static_cast<int64_t>(keys.size()) >= full) return;
  Sha256 sha;
  for (auto i = static_cast<int64_t>(keys.size()); i < full; ++i) {
    keys.push_back(
        child(sha, i == 0 ? root : keys.back(), tokens.subspan(i * block_tokens, block_tokens)));
  }
}

PrefixIndex::PrefixIndex(int64_t blocks) : keys_(blocks), known_(blocks, false) {
  blocks_.reserve(blocks);
}

std::optional<BlockId> PrefixIndex::find(const BlockKey& key) const {
  const auto found = blocks_.find(key);
  if (found == blocks_.end()) return std::nullopt;
  return found->second;
}

bool PrefixIndex::insert(const BlockKey& key, BlockId block) {
  OCTAVO_CHECK(!known_[block]);
  if (!blocks_.try_emplace(key, block).second) return false;
  keys_[block] = key;
  known_[block] = true;
  return true;
}

void PrefixIndex::erase(BlockId block) {
  if (!known_[block]) return;
  blocks_.erase(keys_[block]);
  known_[block] = false;
}

void PrefixIndex::clear() {
  blocks_.clear();
  known_.assign(known_.size(), false);
}

}  // namespace octavo
