// Products of every table, format and mode against sums in double.

#include <cmath>

#include "weight_case.h"

namespace octavo::conformance {
namespace {

class MatmulOps : public Conformance {
 protected:
  // y = x · wᵀ, onto `old` with a bias when `extra`.
  void expect_product(const WeightCase& w, int64_t rows, Compute compute, bool extra) {
    Random random(31);
    const PackedWeight packed(ops_, w.rows(), compute);
    const int64_t out = w.rows().out, in = w.rows().in;
    const Padded x(rows, in, random), old(rows, out, random);
    const std::vector<float> bias = random.normals(out);
    Padded y = old;
    const Matmul product{.x = x.mat(),
                         .w = &packed.weight(),
                         .y = y.mat(),
                         .bias = extra ? Vec(bias) : Vec(),
                         .compute = compute,
                         .into = extra ? Into::add : Into::overwrite};
    ops_.matmul(queue_, {&product, 1});
    EXPECT_TRUE(y.padding_untouched());
    // Rounding the factors is an unbiased error of each term: its root mean square says more than
    // its bound, which a wrong zero would pass.
    double squares = 0, allowed_squares = 0;
    for (int64_t n = 0; n < rows; ++n) {
      for (int64_t o = 0; o < out; ++o) {
        const double added = extra ? double{bias[o]} + *old.mat().at(n, o) : 0;
        const double magnitude = w.magnitude(x.mat().row(n), o) +
                                 (extra ? std::abs(bias[o]) + std::abs(*old.mat().at(n, o)) : 0);
        const double error = *y.mat().at(n, o) - (w.exact(x.mat().row(n), o) + added);
        const double chain = static_cast<double>(in + 8) * kUnit * magnitude;
        const double factors = compute == Compute::bf16 ? 2.1 * kBf16Unit * magnitude : 0;
        ASSERT_TRUE(std::abs(error) <= chain + factors)
            << "row " << n << ", output " << o << ": off by " << error << ", allowed "
            << chain + factors;
        const double root = w.root_of_squares(x.mat().row(n), o);
        squares += error * error;
        allowed_squares += 4 * kBf16Unit * kBf16Unit * root * root + chain * chain;
      }
    }
    if (compute == Compute::bf16) {
      EXPECT_LE(squares, allowed_squares);
    }
  }
};

TEST_P(MatmulOps, every_format_gives_the_product_within_rounding) {
  uint32_t seed = 100;
  for (const WeightShape& shape : awkward_shapes()) {
    const WeightCase w(shape, seed++);
    for (Compute compute : {Compute::f32, Compute::bf16}) {
      for (int64_t rows : {1, 2, 5, 17, 33}) {
        SCOPED_TRACE(to_string(shape.format) + " [" + std::to_string(shape.out) + ", " +
                     std::to_string(shape.in) + "] " + std::to_string(rows) + " rows " +
                     (compute == Compute::f32 ? "f32" : "bf16"));
        expect_product(w, rows, compute, rows % 2 == 0);
        if (HasFatalFailure()) return;
      }
    }
  }
}

TEST_P(MatmulOps, adds_and_biases_in_every_format) {
  uint32_t seed = 300;
  for (const WeightShape& shape : awkward_shapes()) {
    const WeightCase w(shape, seed++);
    for (Compute compute : {Compute::f32, Compute::bf16}) {
      SCOPED_TRACE(to_string(shape.format));
      expect_product(w, 3, compute, true);
      if (HasFatalFailure()) return;
    }
  }
}

// A packed row reads as the source's, rounded to the dtype that the table keeps.
TEST_P(MatmulOps, unpacks_and_embeds_what_was_packed) {
  uint32_t seed = 500;
  for (const WeightShape& shape : awkward_shapes()) {
    const WeightCase w(shape, seed++);
    for (Compute compute : {Compute::f32, Compute::bf16, Compute::int8}) {
      SCOPED_TRACE(to_string(shape.format));
      const PackedWeight packed(ops_, w.rows(), compute);
      const bool rounds =
          packed.weight().format.dtype == DType::bf16 && w.rows().format.dtype != DType::bf16;
      std::vector<float> mine(shape.in), source(shape.in);
      const auto last = static_cast<int32_t>(shape.out - 1);
      const std::vector<int32_t> ids{last, 0, last / 2};
      Padded embedded(3, shape.in);
      ops_.embed(queue_, packed.weight(), ids, 2, embedded.mat());
      for (size_t i = 0; i < ids.size(); ++i) {
        ops_.unpack_row(packed.weight(), ids[i], mine);
        reference_.unpack_row(w.rows(), ids[i], source);
        for (int64_t k = 0; k < shape.in; ++k) {
          const double unit = rounds ? kBf16Unit : kUnit;
          ASSERT_LE(std::abs(mine[k] - source[k]), std::abs(source[k]) * unit) << "input " << k;
          ASSERT_EQ(*embedded.mat().at(static_cast<int64_t>(i), k), 2 * mine[k]);
        }
      }
    }
  }
}

TEST_P(MatmulOps, keeps_the_precision_that_was_asked_for) {
  EXPECT_EQ(ops_.preferred(dense(DType::f32), 64, 64, Compute::f32).dtype, DType::f32);
  EXPECT_EQ(ops_.preferred(dense(DType::f32), 64, 64, Compute::bf16).dtype, DType::bf16);
  EXPECT_EQ(ops_.preferred(dense(DType::bf16), 64, 64, Compute::f32).dtype, DType::bf16);
  EXPECT_EQ(ops_.preferred(dense(DType::bf16), 64, 64, Compute::bf16).dtype, DType::bf16);
  EXPECT_EQ(ops_.preferred(dense(DType::f16), 64, 64, Compute::f32).dtype, DType::f16);
  EXPECT_EQ(ops_.preferred(dense(DType::f32), 64, 64, Compute::int8).dtype, DType::bf16);
}

OCTAVO_EVERY_TABLE(MatmulOps);

}  // namespace
}  // namespace octavo::conformance
