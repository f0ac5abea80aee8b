#include "cache/block_pool.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>
#include <vector>

namespace octavo {
namespace {

TEST(BlockPool, hands_out_every_block_once) {
  BlockPool pool(5);
  std::set<BlockId> taken;
  for (int i = 0; i < 5; ++i) taken.insert(pool.take());
  EXPECT_EQ(taken, (std::set<BlockId>{0, 1, 2, 3, 4}));
  EXPECT_EQ(pool.free(), 0);
}

TEST(BlockPool, reuses_soon_blocks_first_and_late_blocks_least_recent_first) {
  BlockPool pool(4);
  for (int i = 0; i < 4; ++i) pool.take();
  pool.release(2, BlockPool::Reuse::late);
  pool.release(0, BlockPool::Reuse::late);
  pool.release(3, BlockPool::Reuse::soon);
  EXPECT_EQ(pool.take(), 3);
  EXPECT_EQ(pool.take(), 2);
  EXPECT_EQ(pool.take(), 0);
}

TEST(BlockPool, keeps_a_shared_block_until_its_last_release) {
  BlockPool pool(2);
  const BlockId block = pool.take();
  pool.retain(block);
  pool.release(block, BlockPool::Reuse::soon);
  EXPECT_EQ(pool.free(), 1);
  EXPECT_EQ(pool.references(block), 1);
  pool.release(block, BlockPool::Reuse::soon);
  EXPECT_EQ(pool.free(), 2);
}

TEST(BlockPool, revives_an_unused_block_from_the_middle_of_the_list) {
  BlockPool pool(3);
  pool.retain(1);
  EXPECT_EQ(pool.free(), 2);
  EXPECT_EQ(pool.take(), 0);
  EXPECT_EQ(pool.take(), 2);
}

TEST(BlockPool, agrees_with_a_list_over_random_operations) {
  std::mt19937 random(7);
  BlockPool pool(9);
  std::vector<BlockId> list{0, 1, 2, 3, 4, 5, 6, 7, 8};
  std::vector<int> references(9, 0);
  for (int step = 0; step < 20000; ++step) {
    const auto block = static_cast<BlockId>(random() % 9);
    if (random() % 4 == 0 && !list.empty()) {
      const BlockId taken = pool.take();
      ASSERT_EQ(taken, list.front());
      list.erase(list.begin());
      ++references[taken];
    } else if (random() % 3 == 0) {
      pool.retain(block);
      if (references[block]++ == 0) list.erase(std::find(list.begin(), list.end(), block));
    } else if (references[block] > 0) {
      const bool soon = random() % 2 == 0;
      pool.release(block, soon ? BlockPool::Reuse::soon : BlockPool::Reuse::late);
      if (--references[block] == 0) list.insert(soon ? list.begin() : list.end(), block);
    }
    ASSERT_EQ(pool.free(), static_cast<int64_t>(list.size()));
    ASSERT_EQ(pool.references(block), references[block]);
  }
}

}  // namespace
}  // namespace octavo
