#include "quant/gptq.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>
#include <random>

#include "quant/grid.h"

namespace octavo::quant {
namespace {

// Weights and correlated inputs of unequal size, as layers have them.
struct Problem {
  int64_t out, in;
  std::vector<float> weights, hessian;

  Problem(int64_t o, int64_t i, unsigned seed) : out(o), in(i), weights(o * i), hessian(i * i) {
    std::mt19937 generator(seed);
    std::normal_distribution<float> normal;
    for (float& w : weights) w = 0.05f * normal(generator);
    const int64_t tokens = in + 30;
    std::vector<float> x(tokens * in);
    for (int64_t t = 0; t < tokens; ++t) {
      const float common = normal(generator);
      for (int64_t k = 0; k < in; ++k)
        x[t * in + k] = (normal(generator) + common) * (k % 13 == 5 ? 6.0f : 0.5f);
    }
    for (int64_t a = 0; a < in; ++a) {
      for (int64_t b = 0; b < in; ++b) {
        double sum = 0;
        for (int64_t t = 0; t < tokens; ++t) sum += double{x[t * in + a]} * x[t * in + b];
        hessian[a * in + b] = static_cast<float>(2 * sum / static_cast<double>(tokens));
      }
    }
  }

  // Σ (w - q) (H + damp) (w - q)ᵀ
  double loss(const QuantizedMatrix& m, double damp = 0) const {
    double mean = 0, sum = 0;
    for (int64_t i = 0; i < in; ++i) mean += hessian[i * in + i] / static_cast<double>(in);
    std::vector<double> e(in);
    for (int64_t o = 0; o < out; ++o) {
      for (int64_t k = 0; k < in; ++k) e[k] = double{weights[o * in + k]} - m.value(o, k);
      for (int64_t a = 0; a < in; ++a) {
        sum += e[a] * e[a] * damp * mean;
        for (int64_t b = 0; b < in; ++b) sum += e[a] * hessian[a * in + b] * e[b];
      }
    }
    return sum;
  }
};

struct Gptq : testing::Test {
  ThreadPool pool{2};
  Queue queue{pool};
  Ops ops = reference::ops();

  GptqResult run(const Problem& p, const GptqOptions& options) {
    std::vector<float> weights = p.weights, hessian = p.hessian;
    return gptq(queue, ops,
                {.weights = weights, .out = p.out, .in = p.in, .hessian = hessian, .drift = {}},
                options);
  }
};

// Textbook, in double: inverse by elimination, its upper Cholesky factor, one column after the
// other over the whole rest of the row. Ranges from the weights before any rounding.
std::vector<int> textbook(const Problem& p, const GptqOptions& options) {
  const int64_t n = p.in;
  std::vector<double> h(p.hessian.begin(), p.hessian.end()), inverse(n * n), u(n * n);
  double mean = 0;
  for (int64_t i = 0; i < n; ++i) mean += h[i * n + i] / static_cast<double>(n);
  for (int64_t i = 0; i < n; ++i) {
    h[i * n + i] += options.damp_percent * mean;
    inverse[i * n + i] = 1;
  }
  for (int64_t c = 0; c < n; ++c) {
    const double pivot = h[c * n + c];
    for (int64_t j = 0; j < n; ++j) {
      h[c * n + j] /= pivot;
      inverse[c * n + j] /= pivot;
    }
    for (int64_t i = 0; i < n; ++i) {
      const double factor = h[i * n + c];
      for (int64_t j = 0; i != c && j < n; ++j) {
        h[i * n + j] -= factor * h[c * n + j];
        inverse[i * n + j] -= factor * inverse[c * n + j];
      }
    }
  }
  for (int64_t i = 0; i < n; ++i) {  // inverse = uᵀ u
    for (int64_t j = i; j < n; ++j) {
      double sum = inverse[i * n + j];
      for (int64_t k = 0; k < i; ++k) sum -= u[k * n + i] * u[k * n + j];
      u[i * n + j] = i == j ? std::sqrt(sum) : sum / u[i * n + i];
    }
  }
  std::vector<int> codes(p.out * n);
  for (int64_t o = 0; o < p.out; ++o) {
    std::vector<double> w(p.weights.begin() + o * n, p.weights.begin() + (o + 1) * n);
    for (int64_t i = 0; i < n; ++i) {
      const int64_t group = i / options.group_size * options.group_size;
      const Grid grid = fit_range(
          std::span(p.weights).subspan(o * n + group, std::min(options.group_size, n - group)),
          {.bits = options.bits,
           .symmetric = options.symmetric,
           .scale_dtype = options.scale_dtype});
      codes[o * n + i] = nearest_code(static_cast<float>(w[i]), grid, options.bits);
      const double error = (w[i] - (codes[o * n + i] - grid.zero) * grid.scale) / u[i * n + i];
      for (int64_t j = i; j < n; ++j) w[j] -= error * u[i * n + j];
    }
  }
  return codes;
}

TEST_F(Gptq, follows_the_textbook) {
  for (int64_t in : {8, 100, 128, 150}) {
    for (bool symmetric : {false, true}) {
      for (int bits : {2, 3, 4, 8}) {
        const Problem p(6, in, 1);
        const GptqOptions options{.bits = bits,
                                  .group_size = 32,
                                  .symmetric = symmetric,
                                  .static_groups = true,
                                  .group_aware = false,
                                  .refinements = 0};
        const GptqResult result = run(p, options);
        const std::vector<int> want = textbook(p, options);
        int64_t differences = 0;  // a tie may fall to either side, and draws others with it
        for (size_t i = 0; i < want.size(); ++i) differences += result.matrix.codes[i] != want[i];
        EXPECT_LE(differences, static_cast<int64_t>(want.size()) / 100) << in << ", " << bits;
      }
    }
  }
}

TEST_F(Gptq, loses_less_than_rounding_and_less_still_with_refinement) {
  const Problem p(24, 200, 2);
  for (int bits : {2, 3, 4, 5, 6, 7, 8}) {
    for (int64_t group : {16, 64, 96, 200}) {
      for (int order = 0; order < 4; ++order) {
        SCOPED_TRACE(std::to_string(bits) + " bits, groups of " + std::to_string(group) +
                     ", order " + std::to_string(order));
        GptqOptions options{.bits = bits,
                            .group_size = group,
                            .desc_act = order == 1 || order == 2,
                            .static_groups = order == 2,
                            .group_aware = order == 3,
                            .refinements = 0};
        const double walked = p.loss(run(p, options).matrix, options.damp_percent);
        options.refinements = 1;
        const double once = p.loss(run(p, options).matrix, options.damp_percent);
        options.refinements = 3;
        const double often = p.loss(run(p, options).matrix, options.damp_percent);
        Problem blind = p;  // every column alone: rounding to nearest
        for (int64_t i = 0; i < p.in * p.in; ++i) {
          if (i % (p.in + 1) != 0) blind.hessian[i] = 0;
        }
        options.refinements = 0;
        const double nearest = p.loss(run(blind, options).matrix, options.damp_percent);
        EXPECT_LT(walked, nearest);
        EXPECT_LT(once, walked * 1.0001);
        EXPECT_LT(often, once * 1.0001);
      }
    }
  }
}

TEST_F(Gptq, eight_bits_are_nearly_exact) {
  const Problem p(8, 160, 3);
  const QuantizedMatrix m = run(p, {.bits = 8, .group_size = 32}).matrix;
  double error = 0, norm = 0;
  for (int64_t o = 0; o < p.out; ++o) {
    for (int64_t k = 0; k < p.in; ++k) {
      error += std::pow(p.weights[o * p.in + k] - m.value(o, k), 2);
      norm += std::pow(p.weights[o * p.in + k], 2);
    }
  }
  EXPECT_LT(std::sqrt(error / norm), 0.01);
}

TEST_F(Gptq, act_order_gives_columns_the_codes_they_have_in_any_arrangement) {
  const Problem p(8, 150, 4);
  std::vector<int64_t> shuffled(p.in);
  std::iota(shuffled.begin(), shuffled.end(), 0);
  std::mt19937 generator(9);
  std::shuffle(shuffled.begin(), shuffled.end(), generator);
  Problem other = p;
  for (int64_t a = 0; a < p.in; ++a) {
    for (int64_t o = 0; o < p.out; ++o)
      other.weights[o * p.in + a] = p.weights[o * p.in + shuffled[a]];
    for (int64_t b = 0; b < p.in; ++b)
      other.hessian[a * p.in + b] = p.hessian[shuffled[a] * p.in + shuffled[b]];
  }
  const GptqOptions options{.bits = 3, .group_size = 32, .desc_act = true};
  const QuantizedMatrix m = run(p, options).matrix, n = run(other, options).matrix;
  EXPECT_EQ(m.scales, n.scales);
  for (int64_t a = 0; a < p.in; ++a) {
    EXPECT_EQ(n.group_of(a), m.group_of(shuffled[a]));
    for (int64_t o = 0; o < p.out; ++o)
      ASSERT_EQ(n.codes[o * p.in + a], m.codes[o * p.in + shuffled[a]]);
  }
}

TEST_F(Gptq, orders_keep_the_groups_their_formats_know) {
  const Problem p(4, 150, 5);  // the last group has 22 inputs
  EXPECT_TRUE(run(p, {.group_size = 32}).matrix.group_index.empty());
  EXPECT_TRUE(run(p, {.group_size = 32, .desc_act = true, .static_groups = true})
                  .matrix.group_index.empty());
  EXPECT_TRUE(run(p, {.group_size = 150, .desc_act = true}).matrix.group_index.empty());
  const QuantizedMatrix m = run(p, {.group_size = 32, .desc_act = true}).matrix;
  EXPECT_EQ(m.groups(), 5);
  ASSERT_EQ(m.group_index.size(), 150u);
  std::vector<int> members(5);
  for (int32_t g : m.group_index) ++members[g];
  EXPECT_EQ(members, (std::vector<int>{32, 32, 32, 32, 22}));
  EXPECT_EQ(m.group_index[5], 0);  // the inputs of largest diagonal
}

TEST_F(Gptq, columns_that_nothing_reached_neither_disturb_nor_get_lost) {
  Problem p(6, 96, 6);
  for (int64_t dead : {3, 40}) {
    for (int64_t i = 0; i < p.in; ++i) p.hessian[dead * p.in + i] = p.hessian[i * p.in + dead] = 0;
    for (int64_t o = 0; o < p.out; ++o) p.weights[o * p.in + dead] = o == 0 ? 100.0f : 0.03f;
  }
  const GptqResult result = run(p, {.group_size = 32});
  EXPECT_FALSE(result.rounded);
  EXPECT_LT(p.loss(result.matrix), 0.1 * p.loss(run(p, {.bits = 2, .group_size = 32}).matrix));
  for (int64_t o = 1; o < p.out; ++o)
    EXPECT_NEAR(result.matrix.value(o, 3), 0.03f, result.matrix.scales[o * 3]);
  std::ranges::fill(p.hessian, 0.0f);
  EXPECT_FALSE(run(p, {.group_size = 32}).rounded);
}

TEST_F(Gptq, singular_matrices_are_damped_and_indefinite_ones_damped_more) {
  Problem p(4, 64, 7);
  std::ranges::fill(p.hessian, 1.0f);  // one direction only
  const GptqResult singular = run(p, {.group_size = 32});
  EXPECT_FALSE(singular.rounded);
  EXPECT_FLOAT_EQ(singular.damp, 0.05f);
  for (int64_t i = 0; i < p.in; ++i) {
    for (int64_t j = 0; j < p.in; ++j) p.hessian[i * p.in + j] = i == j ? 1 : 0;
  }
  p.hessian[1] = p.hessian[p.in] = 1.5f;
  const GptqResult indefinite = run(p, {.group_size = 32});
  EXPECT_FALSE(indefinite.rounded);
  EXPECT_GT(indefinite.damp, 0.5f);
}

TEST_F(Gptq, rounds_to_nearest_what_no_damping_mends) {
  Problem p(4, 64, 8);
  for (float bad :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(), -1e9f}) {
    p.hessian[5 * p.in + 9] = p.hessian[9 * p.in + 5] = bad;
    const GptqOptions options{.bits = 4, .group_size = 32, .group_aware = false};
    const GptqResult result = run(p, options);
    EXPECT_TRUE(result.rounded);
    for (int64_t o = 0; o < p.out; ++o) {
      for (int64_t k = 0; k < p.in; ++k) {
        const Grid grid{result.matrix.scales[o * 2 + k / 32], result.matrix.zeros[o * 2 + k / 32]};
        ASSERT_EQ(result.matrix.codes[o * p.in + k],
                  nearest_code(p.weights[o * p.in + k], grid, 4));
      }
    }
  }
}

TEST_F(Gptq, takes_the_smallest_matrices) {
  for (int64_t in : {1, 2, 5, 129}) {
    for (int64_t out : {1, 5}) {
      for (int64_t group : {1, 3, 128, 200}) {
        for (bool desc_act : {false, true}) {
          const Problem p(out, in, 13);
          const QuantizedMatrix m =
              run(p, {.bits = 8, .group_size = group, .desc_act = desc_act}).matrix;
          EXPECT_EQ(m.groups(), (in + std::min(group, in) - 1) / std::min(group, in));
          for (int64_t o = 0; o < out; ++o) {
            for (int64_t k = 0; k < in; ++k)
              EXPECT_NEAR(m.value(o, k), p.weights[o * in + k], 0.02) << in << ", " << group;
          }
        }
      }
    }
  }
}

TEST_F(Gptq, gives_codes_and_scales_even_to_weights_that_are_not_finite) {
  Problem p(4, 64, 12);
  p.weights[3] = std::numeric_limits<float>::quiet_NaN();
  p.weights[70] = std::numeric_limits<float>::infinity();
  p.weights[140] = -3e38f;
  for (int bits : {2, 4}) {
    const QuantizedMatrix m = run(p, {.bits = bits, .group_size = 32}).matrix;
    for (uint8_t code : m.codes) EXPECT_LT(code, 1 << bits);
    for (float scale : m.scales) EXPECT_TRUE(scale > 0 && std::isfinite(scale));
  }
}

TEST_F(Gptq, never_emits_a_zero_below_the_lowest) {
  Problem p(8, 128, 9);
  for (float& w : p.weights) w = std::abs(w);
  for (float mse : {0.0f, 2.4f}) {
    for (int bits : {2, 4}) {
      const GptqResult result =
          run(p, {.bits = bits, .group_size = 32, .mse = mse, .lowest_zero = 1});
      for (uint8_t zero : result.matrix.zeros) EXPECT_GE(zero, 1);
    }
  }
}

// Inputs that reach a layer through quantized ones: the best answer to x is not W.
TEST_F(Gptq, drift_lowers_the_distance_to_the_undisturbed_outputs) {
  constexpr int64_t kIn = 96, kTokens = 400;
  Problem p(16, kIn, 10);
  std::mt19937 generator(11);
  std::normal_distribution<float> normal;
  std::vector<float> clean(kTokens * kIn), x(kTokens * kIn), drift(kIn * kIn);
  for (int64_t t = 0; t < kTokens; ++t) {
    const float common = normal(generator);
    for (int64_t k = 0; k < kIn; ++k) {
      clean[t * kIn + k] = normal(generator) + common;
      x[t * kIn + k] = 0.9f * clean[t * kIn + k] + 0.1f * normal(generator);
    }
  }
  for (int64_t a = 0; a < kIn; ++a) {
    for (int64_t b = 0; b < kIn; ++b) {
      double h = 0, d = 0;
      for (int64_t t = 0; t < kTokens; ++t) {
        h += double{x[t * kIn + a]} * x[t * kIn + b];
        d += double{clean[t * kIn + a] - x[t * kIn + a]} * x[t * kIn + b];
      }
      p.hessian[a * kIn + b] = static_cast<float>(2 * h / kTokens);
      drift[a * kIn + b] = static_cast<float>(2 * d / kTokens);
    }
  }
  const auto distance = [&](std::span<const float> with, float alpha, int refinements) {
    std::vector<float> weights = p.weights, hessian = p.hessian;
    const QuantizedMatrix m =
        gptq(queue, ops,
             {.weights = weights, .out = p.out, .in = kIn, .hessian = hessian, .drift = with},
             {.group_size = 32, .gptaq_alpha = alpha, .refinements = refinements})
            .matrix;
    double sum = 0;
    for (int64_t t = 0; t < kTokens; ++t) {
      for (int64_t o = 0; o < p.out; ++o) {
        double y = 0;
        for (int64_t k = 0; k < kIn; ++k)
          y += double{p.weights[o * kIn + k]} * clean[t * kIn + k] -
               double{m.value(o, k)} * x[t * kIn + k];
        sum += y * y;
      }
    }
    return sum;
  };
  for (int refinements : {0, 2}) {
    const double without = distance({}, 1, refinements);
    EXPECT_LT(distance(drift, 0.25f, refinements), 0.95 * without);
    EXPECT_LT(distance(drift, 1, refinements), 0.8 * without);
  }
}

}  // namespace
}  // namespace octavo::quant
