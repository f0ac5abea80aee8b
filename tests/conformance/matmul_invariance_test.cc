// A row's products depend on that row alone: bit by bit the same whatever shares the batch, however
// many threads work, whatever else is multiplied in the same phase.

#include <cstring>

#include "weight_case.h"

namespace octavo::conformance {
namespace {

class MatmulInvariance : public Conformance {};

std::vector<WeightShape> shapes() {
  std::vector<WeightShape> all;
  for (DType dtype : {DType::f32, DType::bf16, DType::f16}) {
    all.push_back({dense(dtype), 200, 257});
    all.push_back({dense(dtype), 64, 1024});
  }
  for (int bits : {2, 3, 4, 8}) {
    all.push_back({affine(bits, 32), 200, 256});
    all.push_back({affine(bits, 128, true), 100, 512});
    all.push_back({affine(bits, 0), 65, 330});
  }
  for (BlockType type : block_types()) all.push_back({block_format(type), 100, 512});
  return all;
}

Matmul product(ConstMat x, const Weight& w, Mat y, Compute compute) {
  return {.x = x, .w = &w, .y = y, .bias = {}, .compute = compute};
}

TEST_P(MatmulInvariance, a_row_is_the_same_alone_in_any_batch_and_on_any_number_of_threads) {
  constexpr int64_t kRows = 33;
  Random random(41);
  ThreadPool single(1), three(3);
  Queue single_queue(single), three_queue(three);
  for (const WeightShape& shape : shapes()) {
    const WeightCase w(shape, 7);
    for (Compute compute : {Compute::f32, Compute::bf16, Compute::int8}) {
      SCOPED_TRACE(to_string(shape.format) + " compute " +
                   std::to_string(static_cast<int>(compute)));
      const PackedWeight packed(ops_, w.rows(), compute);
      const Padded x(kRows, shape.in, random);
      Padded whole(kRows, shape.out);
      const auto run = [&](Queue& queue, ConstMat from, Mat to) {
        const Matmul m = product(from, packed.weight(), to, compute);
        ops_.matmul(queue, {&m, 1});
      };
      run(single_queue, x.mat(), whole.mat());
      for (Queue* queue : {&queue_, &three_queue}) {
        Padded y(kRows, shape.out);
        run(*queue, x.mat(), y.mat());
        EXPECT_EQ(y, whole);
      }
      for (int64_t batch : {1, 2, 3, 4, 5, 6, 8, 11, 16, 17}) {
        Padded parts(kRows, shape.out);
        for (int64_t n = 0; n < kRows; n += batch) {
          const int64_t end = std::min(kRows, n + batch);
          run(queue_, x.mat().slice(n, end), parts.mat().slice(n, end));
        }
        EXPECT_EQ(parts, whole) << "in batches of " << batch;
      }
    }
  }
}

TEST_P(MatmulInvariance, products_of_one_phase_are_those_of_their_own) {
  Random random(42);
  const std::vector<WeightShape> all = shapes();
  for (size_t i = 0; i + 1 < all.size(); ++i) {
    const WeightCase a(all[i], 8), b({all[i].format, 17, all[i].in}, 9);
    for (Compute compute : {Compute::f32, Compute::bf16, Compute::int8}) {
      SCOPED_TRACE(to_string(all[i].format));
      const PackedWeight pa(ops_, a.rows(), compute), pb(ops_, b.rows(), compute);
      for (int64_t rows : {1, 7}) {
        const Padded x(rows, all[i].in, random);
        Padded ya(rows, all[i].out), yb(rows, 17), together_a = ya, together_b = yb;
        const Matmul alone[] = {product(x.mat(), pa.weight(), ya.mat(), compute),
                                product(x.mat(), pb.weight(), yb.mat(), compute)};
        for (const Matmul& m : alone) ops_.matmul(queue_, {&m, 1});
        const Matmul both[] = {product(x.mat(), pa.weight(), together_a.mat(), compute),
                               product(x.mat(), pb.weight(), together_b.mat(), compute)};
        ops_.matmul(queue_, {both, 2});
        EXPECT_EQ(together_a, ya);
        EXPECT_EQ(together_b, yb);
      }
    }
  }
}

OCTAVO_EVERY_TABLE(MatmulInvariance);

}  // namespace
}  // namespace octavo::conformance
