// Compute::int8 (ops/int8.h): every table has the bits of the reference, and the reference is as
// close to the exact product as rounding x allows.

#include <cmath>
#include <limits>

#include "ops/int8.h"
#include "weight_case.h"

namespace octavo::conformance {
namespace {

class MatmulInt8 : public Conformance {
 protected:
  // x · wᵀ, onto `y` with a bias where there is one.
  void run(const Ops& ops, ConstMat x, const Weight& w, Vec bias, Mat y) {
    const Matmul product{.x = x,
                         .w = &w,
                         .y = y,
                         .bias = bias,
                         .compute = Compute::int8,
                         .into = bias.empty() ? Into::overwrite : Into::add};
    ops.matmul(queue_, {&product, 1});
  }
};

bool quantized(const WeightShape& shape) { return shape.format.scheme != Scheme::dense; }

std::string describe(const WeightShape& shape, int64_t rows) {
  return to_string(shape.format) + " [" + std::to_string(shape.out) + ", " +
         std::to_string(shape.in) + "] " + std::to_string(rows) + " rows";
}

TEST_P(MatmulInt8, has_the_bits_of_the_reference) {
  uint32_t seed = 700;
  for (const WeightShape& shape : awkward_shapes()) {
    if (!quantized(shape)) continue;
    const WeightCase w(shape, seed++);
    const PackedWeight packed(ops_, w.rows(), Compute::int8);
    for (int64_t rows : {1, 2, 3, 4, 5, 6, 7, 8, 9, 13, 17, 65}) {
      if (rows > 17 && shape.out > 100) continue;
      SCOPED_TRACE(describe(shape, rows));
      Random random(31);
      const Padded x(rows, shape.in, random), old(rows, shape.out, random);
      const std::vector<float> bias =
          rows % 2 == 0 ? random.normals(shape.out) : std::vector<float>();
      Padded expected = old, y = old;
      run(reference_, x.mat(), w.rows(), bias, expected.mat());
      run(ops_, x.mat(), packed.weight(), bias, y.mat());
      ASSERT_EQ(y, expected);
      ASSERT_TRUE(y.padding_untouched());
    }
  }
}

TEST_P(MatmulInt8, has_the_bits_of_the_reference_in_long_batches) {
  for (const WeightShape& shape :
       {WeightShape{affine(4, 128), 200, 1024}, WeightShape{affine(8, 32), 70, 256},
        WeightShape{block_format(BlockType::q6_k), 65, 512}}) {
    const WeightCase w(shape, 5);
    const PackedWeight packed(ops_, w.rows(), Compute::int8);
    for (int64_t rows : {129, 500}) {
      SCOPED_TRACE(describe(shape, rows));
      Random random(33);
      const Padded x(rows, shape.in, random);
      Padded expected(rows, shape.out), y(rows, shape.out);
      run(reference_, x.mat(), w.rows(), {}, expected.mat());
      run(ops_, x.mat(), packed.weight(), {}, y.mat());
      ASSERT_EQ(y, expected);
    }
  }
}

// Half a step of the unit's rounding for each input, and the additions.
double allowed(const WeightCase& w, std::span<const float> x, int64_t out) {
  const Weight& weight = w.rows();
  std::vector<float> steps(x.size());
  const int64_t unit = int8_unit(weight.format.group_size);
  for (int64_t begin = 0; begin < weight.in; begin += unit) {
    const auto place = [&](int64_t k) { return weight.format.ordered ? weight.order[k] : k; };
    float largest = 0;
    const int64_t end = std::min(weight.in, begin + unit);
    for (int64_t k = begin; k < end; ++k) largest = std::max(largest, std::abs(x[place(k)]));
    for (int64_t k = begin; k < end; ++k) steps[place(k)] = largest / 127;
  }
  return 0.5001 * w.magnitude(steps, out) + 64 * kUnit * w.magnitude(x, out);
}

TEST_P(MatmulInt8, is_as_close_to_the_product_as_rounding_x_allows) {
  uint32_t seed = 900;
  for (const WeightShape& shape : awkward_shapes()) {
    // Units that begin elsewhere than at multiples of their length are left to the equality above.
    if (!quantized(shape) || shape.format.group_size % kInt8Unit * shape.format.group_size >
                                 kInt8Unit * shape.format.group_size)
      continue;
    const WeightCase w(shape, seed++);
    const PackedWeight packed(ops_, w.rows(), Compute::int8);
    Random random(37);
    const Padded x(3, shape.in, random);
    Padded y(3, shape.out);
    SCOPED_TRACE(describe(shape, 3));
    run(ops_, x.mat(), packed.weight(), {}, y.mat());
    double squares = 0, steps = 0;
    for (int64_t n = 0; n < 3; ++n) {
      for (int64_t o = 0; o < shape.out; ++o) {
        const double error = *y.mat().at(n, o) - w.exact(x.mat().row(n), o);
        const double bound = allowed(w, x.mat().row(n), o);
        ASSERT_LE(std::abs(error), bound) << "row " << n << ", output " << o;
        squares += error * error;
        steps += bound * bound;
      }
    }
    // Independent errors add up as their root mean square does: far below the bound.
    if (shape.in >= 256) {
      EXPECT_LT(squares, 0.1 * steps);
    }
  }
}

TEST_P(MatmulInt8, keeps_what_is_not_finite_in_its_row) {
  for (const Format& format : {affine(4, 128), affine(8, 64), block_format(BlockType::q4_k)}) {
    const WeightShape shape{format, 70, 512};
    const WeightCase w(shape, 3);
    const PackedWeight packed(ops_, w.rows(), Compute::int8);
    Random random(39);
    const Padded clean(7, shape.in, random);
    Padded expected(7, shape.out);
    run(ops_, clean.mat(), packed.weight(), {}, expected.mat());
    Padded x = clean, y(7, shape.out);
    *x.mat().at(2, 300) = std::numeric_limits<float>::quiet_NaN();
    *x.mat().at(5, 0) = -std::numeric_limits<float>::infinity();
    run(ops_, x.mat(), packed.weight(), {}, y.mat());
    for (int64_t n = 0; n < 7; ++n) {
      for (int64_t o = 0; o < shape.out; ++o) {
        if (n == 2 || n == 5) {
          ASSERT_TRUE(std::isnan(*y.mat().at(n, o)));
        } else {
          ASSERT_EQ(*y.mat().at(n, o), *expected.mat().at(n, o));
        }
      }
    }
  }
}

TEST_P(MatmulInt8, takes_zeros_and_tiny_and_large_rows) {
  const WeightShape shape{affine(4, 64), 70, 256};
  const WeightCase w(shape, 3);
  const PackedWeight packed(ops_, w.rows(), Compute::int8);
  Random random(40);
  Padded x(4, shape.in, random), y(4, shape.out), expected(4, shape.out);
  const float factors[] = {0, 0x1p-120f, 0x1p-90f, 0x1p+100f};
  for (int64_t n = 0; n < 4; ++n) {
    for (float& v : x.mat().row(n)) v *= factors[n];
  }
  run(ops_, x.mat(), packed.weight(), {}, y.mat());
  run(reference_, x.mat(), w.rows(), {}, expected.mat());
  EXPECT_EQ(y, expected);
  for (int64_t o = 0; o < shape.out; ++o) {
    EXPECT_EQ(*y.mat().at(0, o), 0);
    EXPECT_EQ(*y.mat().at(1, o), 0);
    EXPECT_TRUE(std::isfinite(*y.mat().at(3, o)));
  }
}

OCTAVO_EVERY_TABLE(MatmulInt8);

}  // namespace
}  // namespace octavo::conformance
