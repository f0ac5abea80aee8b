#include "cache/kv_cache.h"

#include <gtest/gtest.h>

#include <numeric>
#include <set>
#include <vector>

namespace octavo {
namespace {

constexpr int64_t kBlock = 4;

KvCache make_cache(int64_t blocks, bool prefix_caching = true) {
  const KvShape shape{.kv_heads = 1, .head_dim = 2, .block_tokens = kBlock};
  return KvCache({.layers = {shape, shape}, .blocks = blocks, .prefix_caching = prefix_caching});
}

std::vector<BlockKey> keys_of(TokenId first, int64_t tokens) {
  std::vector<TokenId> ids(tokens);
  std::iota(ids.begin(), ids.end(), first);
  std::vector<BlockKey> keys;
  extend_keys(root_key({}), ids, kBlock, keys);
  return keys;
}

// A sequence that came, was computed and went.
void pass_through(KvCache& cache, std::span<const BlockKey> keys) {
  BlockTable table;
  const auto tokens = static_cast<int64_t>(keys.size()) * kBlock;
  cache.adopt(table, keys, keys.size());
  cache.grow(table, tokens);
  cache.seal(table, keys, tokens);
  cache.release(table);
}

TEST(KvCache, gives_each_layer_two_planes_that_do_not_overlap) {
  KvCache cache = make_cache(8);
  std::set<std::byte*> starts;
  for (const KvLayer& layer : cache.layers()) {
    starts.insert(layer.k);
    starts.insert(layer.v);
    std::fill_n(layer.k, layer.shape.block_bytes() * 8, std::byte{1});
    std::fill_n(layer.v, layer.shape.block_bytes() * 8, std::byte{1});
  }
  EXPECT_EQ(starts.size(), 4u);
  const std::vector<KvShape> shapes{cache.layers()[0].shape, cache.layers()[1].shape};
  EXPECT_EQ(block_bytes(shapes), 2 * 2 * (1 * 2 * kBlock * 4));
}

TEST(KvCache, shares_full_blocks_and_counts_those_it_revives) {
  KvCache cache = make_cache(8);
  const auto keys = keys_of(1, 3 * kBlock);
  pass_through(cache, keys);
  EXPECT_EQ(cache.pool().free(), 8);
  const auto match = cache.find(keys, 2);
  EXPECT_EQ(match.blocks, 2);
  EXPECT_EQ(match.free_blocks, 2);

  BlockTable first, second;
  EXPECT_EQ(cache.adopt(first, keys, 2), 2);
  EXPECT_EQ(cache.find(keys, 3).free_blocks, 1);
  EXPECT_EQ(cache.adopt(second, keys, 3), 3);
  EXPECT_EQ(first.blocks[1], second.blocks[1]);
  EXPECT_EQ(cache.exclusive_blocks(first), 0);
  EXPECT_EQ(cache.exclusive_blocks(second), 1);
  cache.release(first);
  EXPECT_EQ(cache.exclusive_blocks(second), 3);
  cache.release(second);
  EXPECT_EQ(cache.pool().free(), 8);
}

TEST(KvCache, evicts_the_end_of_the_least_recent_prefix_first) {
  KvCache cache = make_cache(4);
  const auto old_keys = keys_of(1, 2 * kBlock), new_keys = keys_of(100, 2 * kBlock);
  pass_through(cache, old_keys);
  pass_through(cache, new_keys);
  BlockTable table;
  cache.grow(table, kBlock);
  EXPECT_EQ(cache.find(old_keys, 2).blocks, 1);
  EXPECT_EQ(cache.find(new_keys, 2).blocks, 2);
  cache.grow(table, 2 * kBlock);
  EXPECT_EQ(cache.find(old_keys, 2).blocks, 0);
  EXPECT_EQ(cache.find(new_keys, 2).blocks, 2);
}

TEST(KvCache, takes_blocks_without_a_name_before_cached_ones) {
  KvCache cache = make_cache(3);
  const auto keys = keys_of(1, 2 * kBlock);
  BlockTable table;
  cache.grow(table, 3 * kBlock);
  cache.seal(table, keys, 2 * kBlock);
  cache.release(table);
  cache.grow(table, kBlock);
  EXPECT_EQ(cache.find(keys, 2).blocks, 2);
}

TEST(KvCache, finds_nothing_when_off_or_after_forget) {
  KvCache off = make_cache(4, false);
  const auto keys = keys_of(1, 2 * kBlock);
  pass_through(off, keys);
  EXPECT_EQ(off.find(keys, 2).blocks, 0);

  KvCache cache = make_cache(4);
  pass_through(cache, keys);
  EXPECT_EQ(cache.cached_blocks(), 2);
  cache.forget();
  EXPECT_EQ(cache.find(keys, 2).blocks, 0);
  pass_through(cache, keys);
  EXPECT_EQ(cache.find(keys, 2).blocks, 2);
}

}  // namespace
}  // namespace octavo
