#include <gtest/gtest.h>

#include <array>
#include <vector>

#include "base/half.h"
#include "ops/ops.h"

namespace octavo {
namespace {

Weight dense(const Format& format, int64_t out, int64_t in, std::span<const std::byte> data) {
  return {
      .format = format, .out = out, .in = in, .data = data, .scales = {}, .zeros = {}, .order = {}};
}

class ReferenceTest : public testing::Test {
 protected:
  ThreadPool pool_{2};
  Queue queue_{pool_};
  Ops ops_ = reference::ops();
};

TEST_F(ReferenceTest, leaves_no_entry_empty) {
  EXPECT_TRUE(ops_.preferred && ops_.planes && ops_.pack && ops_.unpack_row && ops_.matmul &&
              ops_.embed && ops_.rms_norm && ops_.layer_norm && ops_.head_rms_norm && ops_.rope &&
              ops_.activate && ops_.add && ops_.scale_softcap && ops_.write_kv && ops_.attention);
}

TEST_F(ReferenceTest, multiplies_ordered_codes_by_the_inputs_they_belong_to) {
  // One row of four 4-bit codes 1 2 | 3 4, groups of two, that belong to inputs 3 1 | 0 2.
  const std::array codes{std::byte{0x21}, std::byte{0x43}};
  const std::array<float, 2> scales{0.5f, 2.0f};
  const std::array zeros{std::byte{0}, std::byte{1}};
  const std::array<int32_t, 4> order{3, 1, 0, 2};
  const Weight w{.format = {Scheme::affine, DType::f32, 4, 2, true},
                 .out = 1,
                 .in = 4,
                 .data = codes,
                 .scales = std::as_bytes(std::span(scales)),
                 .zeros = zeros,
                 .order = order};
  std::array<float, 4> row{};
  ops_.unpack_row(w, 0, row);
  EXPECT_EQ(row, (std::array<float, 4>{4, 1, 6, 0.5f}));

  std::array<float, 4> x{1, 10, 100, 1000};
  const std::array<float, 1> bias{7};
  float y = 1;
  const Matmul m{.x = ConstMat(x.data(), {1, 4}),
                 .w = &w,
                 .y = Mat(&y, {1, 1}),
                 .bias = bias,
                 .into = Into::add};
  ops_.matmul(queue_, {&m, 1});
  EXPECT_EQ(y, 1 + 7 + 4 + 10 + 600 + 500);
}

TEST_F(ReferenceTest, rounds_both_factors_under_bf16_compute) {
  const std::array<float, 1> weight{1 + 0x1p-8f};  // halfway: rounds to even, 1
  const Weight w = dense({}, 1, 1, std::as_bytes(std::span(weight)));
  float x = 1 + 0x1.8p-7f, y = 0;  // rounds to 1 + 2^-6
  const Matmul m{.x = ConstMat(&x, {1, 1}),
                 .w = &w,
                 .y = Mat(&y, {1, 1}),
                 .bias = {},
                 .compute = Compute::bf16};
  ops_.matmul(queue_, {&m, 1});
  EXPECT_EQ(y, 1 + 0x1p-6f);
}

TEST_F(ReferenceTest, packs_doubles_and_rounds_floats_for_bf16_compute) {
  const std::array<double, 2> source{1.5, -2.25};
  const Weight rows = dense({.dtype = DType::f64}, 1, 2, std::as_bytes(std::span(source)));
  const Format format = ops_.preferred(rows.format, 1, 2, Compute::bf16);
  EXPECT_EQ(format.dtype, DType::bf16);
  EXPECT_EQ(ops_.preferred(rows.format, 1, 2, Compute::f32).dtype, DType::f32);
  std::vector<std::byte> bytes(ops_.planes(format, 1, 2).data);
  const Weight target = dense(format, 1, 2, bytes);
  ops_.pack(rows, 0, target);
  std::array<float, 2> row{};
  ops_.unpack_row(target, 0, row);
  EXPECT_EQ(row, (std::array<float, 2>{1.5f, -2.25f}));
}

TEST_F(ReferenceTest, normalises_by_the_root_mean_square) {
  std::array<float, 2> x{3, 4};
  const std::array<float, 2> weight{0, 1};
  std::array<float, 2> y{};
  ops_.rms_norm(queue_, {.x = ConstMat(x.data(), {1, 2}),
                         .weight = weight,
                         .bias = {},
                         .eps = 12.5f,
                         .offset = 1,
                         .y = Mat(y.data(), {1, 2})});
  EXPECT_FLOAT_EQ(y[0], 3.0f / 5);  // mean of squares 12.5, plus eps 25
  EXPECT_FLOAT_EQ(y[1], 8.0f / 5);
}

TEST_F(ReferenceTest, rotates_the_two_kinds_of_pairs) {
  std::array<float, 1> cos{0}, sin{1};
  std::array<float, 4> half{1, 2, 3, 4};
  const ConstMat c(cos.data(), {1, 1}), s(sin.data(), {1, 1});
  ops_.rope(queue_, Heads(half.data(), {1, 1, 4}), c, s, RopePairs::half);
  EXPECT_EQ(half, (std::array<float, 4>{-2, 1, 3, 4}));
  std::array<float, 2> two_cos{0, 1}, two_sin{1, 0};
  std::array<float, 4> interleaved{1, 2, 3, 4};
  ops_.rope(queue_, Heads(interleaved.data(), {1, 1, 4}), ConstMat(two_cos.data(), {1, 2}),
            ConstMat(two_sin.data(), {1, 2}), RopePairs::interleaved);
  EXPECT_EQ(interleaved, (std::array<float, 4>{-2, 1, 3, 4}));
}

// Values are the token's number, keys are equal: attention is the mean of the tokens in sight.
TEST_F(ReferenceTest, attends_to_its_past_inside_the_window_through_the_block_table) {
  constexpr int64_t kTokens = 70, kRows = 3;
  const KvShape shape{.kv_heads = 1, .head_dim = 2, .block_tokens = 32, .dtype = DType::bf16};
  std::vector<std::byte> k(4 * shape.block_bytes()), v(4 * shape.block_bytes());
  const KvLayer kv{shape, k.data(), v.data()};
  const std::array<int32_t, 3> table{2, 0, 3};
  std::vector<float> keys(kTokens * 2, 1.0f), values(kTokens * 2);
  std::vector<int32_t> slots(kTokens);
  for (int64_t t = 0; t < kTokens; ++t) {
    values[2 * t] = static_cast<float>(t);
    slots[t] = static_cast<int32_t>(table[t / 32] * 32 + t % 32);
  }
  ops_.write_kv(queue_, ConstHeads(keys.data(), {kTokens, 1, 2}),
                ConstHeads(values.data(), {kTokens, 1, 2}), slots, kv);

  std::vector<float> q(kRows * 2 * 2, 0.3f), out(q.size());
  const std::array<int32_t, 2> row_begin{0, kRows};
  const std::array<int32_t, 1> kv_tokens{kTokens};
  Attention a{.q = ConstHeads(q.data(), {kRows, 2, 2}),
              .kv = kv,
              .row_begin = row_begin,
              .kv_tokens = kv_tokens,
              .block_table = View<const int32_t, 2>(table.data(), {1, 3}),
              .out = Heads(out.data(), {kRows, 2, 2})};
  ops_.attention(queue_, a);
  for (int64_t row = 0; row < kRows; ++row)
    EXPECT_FLOAT_EQ(*a.out.at(row, 1), static_cast<float>(67 + row) / 2);
  a.window = 5;
  ops_.attention(queue_, a);
  for (int64_t row = 0; row < kRows; ++row)
    EXPECT_FLOAT_EQ(*a.out.at(row, 0), static_cast<float>(65 + row));
}

}  // namespace
}  // namespace octavo
