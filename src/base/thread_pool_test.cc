#include "base/thread_pool.h"

#include <gtest/gtest.h>

#include <vector>

namespace octavo {
namespace {

TEST(ThreadPool, runs_every_item_once_in_each_form) {
  for (int threads : {1, 2, 5}) {
    ThreadPool pool(threads);
    for (int round = 0; round < 200; ++round) {
      std::vector<int> split(97, 0), each(97, 0);
      pool.split(97, 8, [&](int64_t begin, int64_t end, int) {
        EXPECT_EQ(begin % 8, 0);
        for (int64_t i = begin; i < end; ++i) ++split[i];
      });
      pool.each(97, [&](int64_t i, int) { ++each[i]; });
      EXPECT_EQ(split, std::vector<int>(97, 1));
      EXPECT_EQ(each, std::vector<int>(97, 1));
    }
  }
}

TEST(ThreadPool, gives_each_worker_its_own_index) {
  ThreadPool pool(4);
  std::vector<int> seen(4, 0);
  pool.run([&](int worker) { ++seen[worker]; });
  EXPECT_EQ(seen, std::vector<int>(4, 1));
}

}  // namespace
}  // namespace octavo
