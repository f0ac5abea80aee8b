#include "cpu/matmul.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "cpu/cpu.h"
#include "cpu/features_levels.h"
#include "cpu/random_weight.h"

namespace octavo::cpu {
namespace {

std::vector<Ops> tables() {
  std::vector<Ops> all;
  const Features machine = detect();
  for (const Level& level : levels().subspan(1)) {
    if (!offers(machine, level.features)) continue;
    all.push_back(ops(level.features));
    all.back().name = level.name;
  }
  return all;
}

std::vector<Format> formats() {
  std::vector<Format> all{{.dtype = DType::f32}, {.dtype = DType::f16}, {.dtype = DType::bf16}};
  for (const int bits : {2, 3, 4, 8}) {
    const DType scale = bits == 4 ? DType::f16 : bits == 8 ? DType::bf16 : DType::f32;
    for (const int64_t group : {16, 32, 48, 128, 0}) {
      all.push_back({.scheme = Scheme::affine, .dtype = scale, .bits = bits, .group_size = group});
    }
  }
  all.push_back(all.back());
  all.back().group_size = 32;
  all.back().ordered = true;
  return all;
}

// One product in a table's own packing and in rows.
struct Case {
  OwnedWeight rows, panels;
  std::vector<float> x, bias;
  int64_t n;

  static Case make(const Ops& table, const Format& format, int64_t n, int64_t out, int64_t in,
                   Compute compute = Compute::f32) {
    OwnedWeight rows = random_weight(format, out, in, 7);
    const Format own = table.preferred(format, out, in, compute);
    Case c{.rows = std::move(rows),
           .panels = OwnedWeight(own, out, in, table.planes(own, out, in)),
           .x = std::vector<float>(n * in),
           .bias = std::vector<float>(out),
           .n = n};
    c.rows.weight.order = c.panels.weight.order = c.rows.order;
    table.pack(c.rows.weight, 0, c.panels.weight);
    std::minstd_rand random(11);
    std::normal_distribution<float> normal;
    for (float& v : c.x) v = normal(random);
    for (float& v : c.bias) v = normal(random);
    return c;
  }
  Matmul product(const Weight& w, std::vector<float>& y, Compute compute) const {
    return {.x = {x.data(), {n, w.in}},
            .w = &w,
            .y = {y.data(), {n, w.out}},
            .bias = {},
            .compute = compute};
  }
};

// What element (i, o) may be off by: half an ulp of float for each addition, on the magnitude of
// what is added; codes are summed before their zero point is taken off. The reference rounds a
// dequantized weight to bf16, the kernels do not.
float bound(const Case& c, int64_t i, int64_t o, Compute compute) {
  const Weight& w = c.rows.weight;
  std::vector<float> row(w.in);
  reference::ops().unpack_row(w, o, row);
  double sum = std::abs(c.bias[o]), added = sum, largest = 0;
  for (int64_t k = 0; k < w.in; ++k) {
    const double x = std::abs(c.x[i * w.in + k]);
    sum += x * std::abs(row[k]);
    largest += x;
  }
  added = sum;
  if (w.format.scheme == Scheme::affine) {
    added += largest * 0.02 * 3 * (1 << (w.format.bits == 3 ? 4 : w.format.bits));
  }
  const double rounding = compute == Compute::bf16 && (w.format.scheme == Scheme::affine ||
                                                       w.format.dtype != DType::bf16)
                              ? 0x1p-8 * sum
                              : 0;
  return static_cast<float>(added * 0x1p-24 * (static_cast<double>(w.in) + 8) / 2 + rounding);
}

struct Shape {
  int64_t n, out, in;
};

void expect_close(const Ops& table, const Format& format, const Shape& shape, Compute compute,
                  Queue& queue) {
  const auto [n, out, in] = shape;
  const Case c = Case::make(table, format, n, out, in, compute);
  std::vector<float> expected(n * out), got(n * out, NAN);
  Matmul m = c.product(c.rows.weight, expected, compute);
  m.bias = c.bias;
  reference::ops().matmul(queue, {&m, 1});
  m = c.product(c.panels.weight, got, compute);
  m.bias = c.bias;
  table.matmul(queue, {&m, 1});
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t o = 0; o < out; ++o) {
      ASSERT_NEAR(expected[i * out + o], got[i * out + o], bound(c, i, o, compute))
          << table.name << " " << to_string(format) << " compute "
          << (compute == Compute::bf16 ? "bf16 " : "f32 ") << n << "x" << out << "x" << in << " at "
          << i << "," << o;
    }
  }
}

TEST(Matmul, equals_the_reference_for_every_table_format_and_shape) {
  ThreadPool pool(2);
  Queue queue(pool);
  for (const Ops& table : tables()) {
    for (const Compute compute : {Compute::f32, Compute::bf16}) {
      for (const Shape s :
           {Shape{1, 1, 1}, Shape{1, 65, 384}, Shape{2, 64, 33}, Shape{3, 15, 17},
            Shape{5, 130, 768}, Shape{7, 64, 96}, Shape{17, 100, 1152}, Shape{50, 16, 384}}) {
        for (Format format : formats()) {
          if (format.scheme == Scheme::affine && format.group_size == 0) format.group_size = s.in;
          if (format.group_size > 0 && s.in % format.group_size != 0) continue;
          expect_close(table, format, s, compute, queue);
          if (HasFatalFailure()) return;
        }
      }
    }
  }
}

TEST(Matmul, gives_a_row_the_same_bits_whatever_the_batch_and_the_threads) {
  const int64_t n = 500, out = 80, in = 768;
  ThreadPool one(1), three(3);
  Queue single(one), many(three);
  for (const Ops& table : tables()) {
    for (const Compute compute : {Compute::f32, Compute::bf16}) {
      for (Format format : formats()) {
        if (format.scheme == Scheme::affine && format.group_size == 0) format.group_size = in;
        if (format.group_size > 0 && in % format.group_size != 0) continue;
        const Case c = Case::make(table, format, n, out, in, compute);
        std::vector<float> all(n * out), some(n * out);
        const Matmul m = c.product(c.panels.weight, all, compute);
        table.matmul(many, {&m, 1});
        for (const int64_t rows : {1, 2, 3, 4, 5, 6, 7, 16, 49}) {
          Matmul part = c.product(c.panels.weight, some, compute);
          part.x = part.x.slice(5, 5 + rows);
          part.y = part.y.slice(0, rows);
          table.matmul(single, {&part, 1});
          for (int64_t i = 0; i < rows * out; ++i) {
            ASSERT_EQ(all[5 * out + i], some[i])
                << table.name << " " << to_string(format) << " rows " << rows << " at " << i;
          }
        }
      }
    }
  }
}

TEST(Matmul, takes_several_weights_bias_addition_and_padded_rows_in_one_call) {
  const int64_t n = 9, in = 256;
  ThreadPool pool(2);
  Queue queue(pool);
  const Format int4{.scheme = Scheme::affine, .dtype = DType::f16, .bits = 4, .group_size = 64};
  for (const Ops& table : tables()) {
    const Case a = Case::make(table, {.dtype = DType::bf16}, n, 70, in, Compute::bf16);
    const Case b = Case::make(table, int4, n, 130, in, Compute::bf16);
    const Case c = Case::make(table, {.dtype = DType::bf16}, n, 64, in, Compute::bf16);
    std::vector<float> expected(n * 300, 0.5f), got(n * 300, 0.5f);
    const auto run = [&](const Ops& ops, std::vector<float>& y, auto pick) {
      const auto columns = [&](int64_t begin, int64_t count) {
        return Mat(y.data() + begin, {n, count}, {300, 1});
      };
      const ConstMat x(a.x.data(), {n, in});
      const std::vector<Matmul> products{
          {.x = x, .w = &pick(a), .y = columns(3, 70), .bias = a.bias, .compute = Compute::bf16},
          {.x = x,
           .w = &pick(b),
           .y = columns(80, 130),
           .bias = {},
           .compute = Compute::bf16,
           .into = Into::add},
          {.x = x,
           .w = &pick(c),
           .y = columns(220, 64),
           .bias = c.bias,
           .compute = Compute::bf16,
           .into = Into::add}};
      ops.matmul(queue, products);
    };
    run(reference::ops(), expected, [](const Case& k) -> const Weight& { return k.rows.weight; });
    run(table, got, [](const Case& k) -> const Weight& { return k.panels.weight; });
    for (size_t i = 0; i < got.size(); ++i) ASSERT_NEAR(expected[i], got[i], 0.02) << table.name;
    for (int64_t i = 0; i < n; ++i) {
      EXPECT_EQ(got[i * 300 + 2], 0.5f);
      EXPECT_EQ(got[i * 300 + 73], 0.5f);
      EXPECT_EQ(got[i * 300 + 284], 0.5f);
    }
  }
}

}  // namespace
}  // namespace octavo::cpu
