#include "cache/prefix_index.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace octavo {
namespace {

std::vector<BlockKey> keys_of(const std::vector<TokenId>& tokens, PrefixIdentity identity = {}) {
  std::vector<BlockKey> keys;
  extend_keys(root_key(identity), tokens, 2, keys);
  return keys;
}

std::string hex(const BlockKey& key) {
  std::string out;
  for (const uint8_t byte : key.bytes) {
    out += "0123456789abcdef"[byte >> 4];
    out += "0123456789abcdef"[byte & 15];
  }
  return out;
}

TEST(PrefixIndex, names_only_full_blocks) {
  EXPECT_EQ(keys_of({1, 2, 3}).size(), 1u);
  EXPECT_EQ(keys_of({1}).size(), 0u);
}

TEST(PrefixIndex, names_a_block_by_all_that_comes_before_it) {
  const auto a = keys_of({1, 2, 3, 4}), b = keys_of({1, 2, 3, 4}), c = keys_of({1, 9, 3, 4});
  EXPECT_EQ(a, b);
  EXPECT_NE(a[0], c[0]);
  EXPECT_NE(a[1], c[1]);  // same tokens in the block, another prefix
}

TEST(PrefixIndex, keeps_salts_and_rope_lengths_apart) {
  const auto plain = keys_of({1, 2, 3, 4});
  const auto salted = keys_of({1, 2, 3, 4}, {.salt = "a", .rope_tokens = 0});
  const auto other = keys_of({1, 2, 3, 4}, {.salt = "b", .rope_tokens = 0});
  const auto roped = keys_of({1, 2, 3, 4}, {.salt = {}, .rope_tokens = 4});
  for (int i = 0; i < 2; ++i) {
    EXPECT_NE(plain[i], salted[i]);
    EXPECT_NE(salted[i], other[i]);
    EXPECT_NE(plain[i], roped[i]);
  }
}

TEST(PrefixIndex, extends_keys_as_if_made_at_once) {
  const std::vector<TokenId> tokens{5, 6, 7, 8, 9, 10};
  std::vector<BlockKey> keys;
  for (size_t n = 1; n <= tokens.size(); ++n)
    extend_keys(root_key({}), std::span(tokens).first(n), 2, keys);
  EXPECT_EQ(keys, keys_of(tokens));
}

TEST(PrefixIndex, makes_the_key_that_any_process_makes) {
  // By Python: sha256(sha256(b"octavo kv 2" + bytes(32)).digest() + pack("<Iii", 2, 1, 2)). A
  // change of the encoding would orphan every stored key.
  EXPECT_EQ(hex(child_key(root_key({}), std::vector<TokenId>{1, 2})),
            "9997498945d2fd6e791c4e9fc6537b252b2ddb12b8d5f25e23b2aef222e3e1ae");
}

TEST(PrefixIndex, keeps_the_older_of_two_blocks_with_one_key) {
  PrefixIndex index(4);
  const BlockKey key = keys_of({1, 2})[0];
  EXPECT_TRUE(index.insert(key, 3));
  EXPECT_FALSE(index.insert(key, 1));
  EXPECT_EQ(index.find(key), 3);
  index.erase(1);  // not entered: nothing happens
  EXPECT_EQ(index.find(key), 3);
  index.erase(3);
  EXPECT_FALSE(index.find(key).has_value());
}

}  // namespace
}  // namespace octavo
