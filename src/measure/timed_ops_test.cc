#include "measure/timed_ops.h"

#include <gtest/gtest.h>

namespace octavo::measure {
namespace {

class TimedOps : public testing::Test {
 protected:
  ThreadPool pool_{1};
  const Ops inner_ = reference::ops();
  TimedQueue queue_{pool_, inner_};
  const Ops timed_ = timed_ops(inner_);
};

TEST_F(TimedOps, count_the_bytes_and_operations_of_a_product) {
  const std::vector<float> w(6, 1.0f);
  const Weight weight{.format = {}, .out = 2, .in = 3, .data = std::as_bytes(std::span(w))};
  std::vector<float> x(12, 1.0f), y(8);
  const Matmul m{.x = {x.data(), {4, 3}}, .w = &weight, .y = {y.data(), {4, 2}}};
  timed_.matmul(queue_, {&m, 1});
  EXPECT_EQ(y[7], 3.0f);  // it ran
  const std::vector<TimedCall> calls = queue_.take();
  ASSERT_EQ(calls.size(), 1u);
  EXPECT_EQ(calls[0].entry, "matmul");
  EXPECT_EQ(calls[0].weight, &weight);
  EXPECT_EQ(calls[0].bytes, 24);
  EXPECT_EQ(calls[0].operations, 2 * 4 * 2 * 3);
  EXPECT_GT(calls[0].seconds, 0);
  EXPECT_TRUE(queue_.take().empty());
}

TEST_F(TimedOps, count_only_the_keys_that_a_row_sees) {
  const KvShape shape{.kv_heads = 1, .head_dim = 2, .block_tokens = 32};
  std::vector<float> k(64, 0.0f), v(64, 1.0f), q(4, 0.0f), out(4);
  const int32_t row_begin[] = {0, 2}, kv_tokens[] = {5}, table[] = {0};
  const Attention a{.q = {q.data(), {2, 1, 2}},
                    .kv = {.shape = shape,
                           .k = reinterpret_cast<std::byte*>(k.data()),
                           .v = reinterpret_cast<std::byte*>(v.data())},
                    .row_begin = row_begin,
                    .kv_tokens = kv_tokens,
                    .block_table = {table, {1, 1}},
                    .scale = 1,
                    .out = {out.data(), {2, 1, 2}}};
  timed_.attention(queue_, a);
  const std::vector<TimedCall> calls = queue_.take();
  ASSERT_EQ(calls.size(), 1u);
  EXPECT_EQ(calls[0].operations, 4 * 2 * (4 + 5));  // rows at positions 3 and 4
  EXPECT_EQ(calls[0].bytes, 5 * 2 * 2 * 4);         // keys and values of 2 floats
  EXPECT_EQ(out[0], 1.0f);
}

}  // namespace
}  // namespace octavo::measure
