// Dense products against the reference, with a bound computed from the operands, and bit by bit
// between the tables and for any number of threads.

#include <cmath>
#include <cstring>

#include "tables.h"

namespace octavo::conformance {
namespace {

class GemmTest : public Conformance {};

struct GemmCase {
  int64_t m, n, k;
  GemmForm form = GemmForm::ab;
  GemmPart part = GemmPart::all;
  float alpha = 1;
  Into into = Into::overwrite;
};

std::vector<GemmCase> cases() {
  const int64_t shapes[][3] = {{1, 1, 1},     {15, 17, 16},   {12, 32, 384},  {13, 33, 385},
                               {97, 259, 70}, {200, 64, 800}, {6, 4130, 129}, {300, 300, 128}};
  std::vector<GemmCase> all;
  for (const auto& [m, n, k] : shapes) {
    for (GemmForm form : {GemmForm::ab, GemmForm::atb, GemmForm::abt}) {
      for (GemmPart part : {GemmPart::all, GemmPart::upper}) {
        all.push_back({m, n, k, form, part});
        all.push_back({m, n, k, form, part, -0.75f, Into::add});
      }
    }
  }
  return all;
}

struct Operands {
  Padded a, b, c;

  Operands(const GemmCase& s, Random& random)
      : a(s.form == GemmForm::atb ? s.k : s.m, s.form == GemmForm::atb ? s.m : s.k, random),
        b(s.form == GemmForm::abt ? s.n : s.k, s.form == GemmForm::abt ? s.k : s.n, random),
        c(s.m, s.n, random) {}

  Padded multiply(const Ops& ops, Queue& queue, const GemmCase& s) const {
    Padded result = c;
    ops.gemm(queue, {.a = a.mat(),
                     .b = b.mat(),
                     .c = result.mat(),
                     .form = s.form,
                     .part = s.part,
                     .alpha = s.alpha,
                     .into = s.into});
    return result;
  }
  // Σ |a| |b| of an element.
  double magnitude(const GemmCase& s, int64_t i, int64_t j) const {
    double sum = 0;
    for (int64_t k = 0; k < s.k; ++k) {
      sum += std::abs(double{s.form == GemmForm::atb ? *a.mat().at(k, i) : *a.mat().at(i, k)} *
                      (s.form == GemmForm::abt ? *b.mat().at(j, k) : *b.mat().at(k, j)));
    }
    return sum;
  }
};

std::string described(const GemmCase& s) {
  return std::to_string(s.m) + " x " + std::to_string(s.n) + " x " + std::to_string(s.k) +
         ", form " + std::to_string(static_cast<int>(s.form)) +
         (s.part == GemmPart::upper ? ", upper" : "") + (s.into == Into::add ? ", added" : "");
}

TEST_P(GemmTest, equals_the_reference_within_the_rounding_of_its_sums) {
  Random random(71);
  for (const GemmCase& s : cases()) {
    SCOPED_TRACE(described(s));
    const Operands operands(s, random);
    const Padded own = operands.multiply(ops_, queue_, s);
    const Padded want = operands.multiply(reference_, queue_, s);
    EXPECT_TRUE(own.padding_untouched());
    for (int64_t i = 0; i < s.m; ++i) {
      for (int64_t j = 0; j < s.n; ++j) {
        const double terms = static_cast<double>(s.k) + 2;
        const double bound = kUnit * (terms * std::abs(s.alpha) * operands.magnitude(s, i, j) +
                                      2 * std::abs(*operands.c.mat().at(i, j)));
        ASSERT_NEAR(*own.mat().at(i, j), *want.mat().at(i, j), bound) << i << ", " << j;
      }
    }
  }
}

TEST_P(GemmTest, leaves_what_is_below_the_diagonal_alone) {
  Random random(72);
  for (const GemmCase& s : cases()) {
    if (s.part != GemmPart::upper) continue;
    SCOPED_TRACE(described(s));
    const Operands operands(s, random);
    const Padded own = operands.multiply(ops_, queue_, s);
    for (int64_t i = 0; i < s.m; ++i) {
      for (int64_t j = 0; j < std::min(i, s.n); ++j)
        ASSERT_EQ(*own.mat().at(i, j), *operands.c.mat().at(i, j)) << i << ", " << j;
    }
  }
}

TEST_P(GemmTest, has_the_same_bits_in_every_table_and_on_any_number_of_threads) {
  if (GetParam() == "reference") GTEST_SKIP() << "the reference adds in double";
  const Ops first = table(levels()[1]);
  ThreadPool single(1), three(3);
  Queue single_queue(single), three_queue(three);
  Random random(73);
  for (const GemmCase& s : cases()) {
    SCOPED_TRACE(described(s));
    const Operands operands(s, random);
    const Padded want = operands.multiply(first, single_queue, s);
    for (Queue* queue : {&single_queue, &queue_, &three_queue})
      EXPECT_EQ(operands.multiply(ops_, *queue, s), want);
  }
}

TEST_P(GemmTest, overwrites_even_where_the_inner_dimension_is_empty) {
  std::vector<float> c(6, 3.0f);
  ops_.gemm(queue_, {.a = {nullptr, {2, 0}}, .b = {nullptr, {0, 3}}, .c = {c.data(), {2, 3}}});
  EXPECT_EQ(c, std::vector<float>(6, 0.0f));
}

OCTAVO_EVERY_TABLE(GemmTest);

}  // namespace
}  // namespace octavo::conformance
