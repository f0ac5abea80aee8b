#include "cache/prefix_index.h"

#include <openssl/evp.h>

#include <memory>

#include "base/check.h"

namespace octavo {
namespace {

class Sha256 {
 public:
  Sha256() : context_(EVP_MD_CTX_new()) {
    OCTAVO_CHECK(context_ != nullptr && EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr));
  }
  void add(const void* data, size_t bytes) {
    OCTAVO_CHECK(EVP_DigestUpdate(context_.get(), data, bytes));
  }
  // Little-endian, whatever the machine.
  void add_number(uint64_t value, int bytes) {
    uint8_t out[8];
    for (int i = 0; i < bytes; ++i) out[i] = static_cast<uint8_t>(value >> (8 * i));
    add(out, bytes);
  }
  // The digest; the object starts again.
  BlockKey finish() {
    BlockKey key;
    OCTAVO_CHECK(EVP_DigestFinal_ex(context_.get(), key.bytes.data(), nullptr));
    OCTAVO_CHECK(EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr));
    return key;
  }

 private:
  struct Free {
    void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
  };
  std::unique_ptr<EVP_MD_CTX, Free> context_;
};

BlockKey child(Sha256& sha, const BlockKey& parent, std::span<const TokenId> tokens) {
  sha.add(parent.bytes.data(), parent.bytes.size());
  sha.add_number(tokens.size(), 4);
  for (const TokenId token : tokens) sha.add_number(static_cast<uint32_t>(token), 4);
  return sha.finish();
}

}  // namespace

BlockKey root_key(const PrefixIdentity& identity) {
  static constexpr std::string_view kDomain = "octavo kv 1";
  Sha256 sha;
  sha.add(kDomain.data(), kDomain.size());
  sha.add_number(static_cast<uint64_t>(identity.rope_tokens), 8);
  sha.add_number(identity.salt.size(), 8);
  sha.add(identity.salt.data(), identity.salt.size());
  return sha.finish();
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
