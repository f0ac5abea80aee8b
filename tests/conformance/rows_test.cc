// Norms, rope, activations, sums: every table against the reference, within a bound that follows
// from the operands; and bit by bit against itself in other company.

#include <cmath>

#include "tables.h"

namespace octavo::conformance {
namespace {

constexpr int64_t kSizes[] = {1, 15, 16, 17, 33, 128, 4097};
constexpr int64_t kRows[] = {1, 3, 33};
constexpr Act kActs[] = {Act::none, Act::silu,  Act::gelu, Act::gelu_tanh,
                         Act::relu, Act::relu2, Act::xielu};
constexpr float kXielu[] = {0.9f, 1.3f, 0.5f, -1e-6f};

class RowOps : public Conformance {};

void expect_close(const Padded& actual, const Padded& expected, const Padded& bound) {
  EXPECT_TRUE(actual.padding_untouched());
  for (int64_t n = 0; n < actual.mat().rows(); ++n) {
    for (int64_t i = 0; i < actual.mat().cols(); ++i) {
      ASSERT_LE(std::abs(double{*actual.mat().at(n, i)} - *expected.mat().at(n, i)),
                *bound.mat().at(n, i))
          << "row " << n << " of " << actual.mat().rows() << ", column " << i << " of "
          << actual.mat().cols() << ": " << *actual.mat().at(n, i) << " for "
          << *expected.mat().at(n, i);
    }
  }
}

// Sums of K positive terms have relative error K · u; their root half of it.
TEST_P(RowOps, rms_norm_is_the_reference_within_rounding) {
  Random random(1);
  for (int64_t features : kSizes) {
    for (int64_t rows : kRows) {
      const Padded x(rows, features, random, 3);
      const std::vector<float> weight = random.normals(features);
      Padded actual(rows, features), expected(rows, features), bound(rows, features);
      Norm norm{.x = x.mat(), .weight = weight, .bias = {}, .eps = 1e-5f, .offset = 1, .y = {}};
      norm.y = expected.mat();
      reference_.rms_norm(queue_, norm);
      norm.y = actual.mat();
      ops_.rms_norm(queue_, norm);
      for (int64_t n = 0; n < rows; ++n) {
        for (int64_t i = 0; i < features; ++i)
          *bound.mat().at(n, i) = static_cast<float>(
              std::abs(*expected.mat().at(n, i)) * (static_cast<double>(features) / 2 + 8) * kUnit);
      }
      expect_close(actual, expected, bound);
      Padded in_place = x;
      norm.x = in_place.mat();
      norm.y = in_place.mat();
      ops_.rms_norm(queue_, norm);
      EXPECT_EQ(in_place, actual);
    }
  }
}

TEST_P(RowOps, rms_norm_without_weights_only_normalises) {
  Random random(2);
  const Padded x(2, 33, random);
  Padded y(2, 33), ones(2, 33);
  ops_.rms_norm(queue_, {.x = x.mat(), .weight = {}, .bias = {}, .eps = 1e-6f, .y = y.mat()});
  const std::vector<float> weight(33, 1.0f);
  ops_.rms_norm(queue_,
                {.x = x.mat(), .weight = weight, .bias = {}, .eps = 1e-6f, .y = ones.mat()});
  EXPECT_EQ(y, ones);
}

TEST_P(RowOps, layer_norm_is_the_reference_within_rounding) {
  Random random(3);
  for (int64_t features : kSizes) {
    for (int64_t rows : kRows) {
      Padded x(rows, features, random);
      const std::vector<float> weight = random.normals(features), bias = random.normals(features);
      Padded actual(rows, features), expected(rows, features), bound(rows, features);
      Norm norm{.x = x.mat(), .weight = weight, .bias = bias, .eps = 1e-3f, .y = expected.mat()};
      reference_.layer_norm(queue_, norm);
      norm.y = actual.mat();
      ops_.layer_norm(queue_, norm);
      const auto count = static_cast<double>(features);
      for (int64_t n = 0; n < rows; ++n) {
        double mean = 0, magnitude = 0, variance = 0;
        for (float v : x.mat().row(n)) mean += v / count, magnitude += std::abs(v) / count;
        for (float v : x.mat().row(n)) variance += (v - mean) * (v - mean) / count;
        const double scale = 1 / std::sqrt(variance + norm.eps);
        for (int64_t i = 0; i < features; ++i) {
          const double normalised = std::abs(*x.mat().at(n, i) - mean) * scale;
          const double mean_error = scale * count * magnitude * kUnit;
          const double error =
              std::abs(weight[i]) * (mean_error + normalised * (count / 2 + 8) * kUnit) +
              2 * kUnit * (std::abs(weight[i]) * normalised + std::abs(bias[i]));
          *bound.mat().at(n, i) = static_cast<float>(error);
        }
      }
      expect_close(actual, expected, bound);
    }
  }
}

TEST_P(RowOps, head_norm_treats_each_head_alone) {
  Random random(4);
  for (int64_t size : {8, 33, 128}) {
    for (int64_t heads : {1, 3}) {
      Padded x(5, heads * size, random);
      Padded expected = x, bound(5, heads * size);
      const std::vector<float> weight = random.normals(size);
      HeadNorm norm{.x = expected.heads(heads), .weight = weight, .eps = 1e-6f, .offset = 0.5f};
      reference_.head_rms_norm(queue_, norm);
      norm.x = x.heads(heads);
      ops_.head_rms_norm(queue_, norm);
      for (int64_t n = 0; n < 5; ++n) {
        for (int64_t i = 0; i < heads * size; ++i)
          *bound.mat().at(n, i) = static_cast<float>(std::abs(*expected.mat().at(n, i)) *
                                                     (static_cast<double>(size) / 2 + 8) * kUnit);
      }
      expect_close(x, expected, bound);
    }
  }
}

TEST_P(RowOps, heads_may_have_weights_of_their_own) {
  Random random(41);
  constexpr int64_t kHeads = 3, kSize = 33;
  const Padded before(5, kHeads * kSize, random);
  const std::vector<float> weight = random.normals(kHeads * kSize),
                           bias = random.normals(kHeads * kSize);
  for (const auto entry : {&Ops::head_rms_norm, &Ops::head_layer_norm}) {
    Padded together = before, alone = before;
    HeadNorm norm{.x = together.heads(kHeads), .weight = weight, .bias = bias, .eps = 1e-6f};
    if (entry == &Ops::head_rms_norm) norm.bias = {};
    (ops_.*entry)(queue_, norm);
    for (int64_t h = 0; h < kHeads; ++h) {
      const Heads head = as_heads(alone.mat(), h * kSize, 1, kSize);
      (ops_.*entry)(queue_,
                    {.x = head,
                     .weight = norm.weight.subspan(h * kSize, kSize),
                     .bias = norm.bias.empty() ? Vec{} : norm.bias.subspan(h * kSize, kSize),
                     .eps = norm.eps});
    }
    EXPECT_EQ(together, alone);
    EXPECT_NE(together, before);
  }
}

TEST_P(RowOps, head_layer_norm_is_the_layer_norm_of_each_head) {
  Random random(42);
  for (int64_t size : {8, 33, 128}) {
    Padded x(5, 2 * size, random), y(5, 2 * size);
    const std::vector<float> weight = random.normals(size), bias = random.normals(size);
    const Padded before = x;
    ops_.head_layer_norm(queue_, {.x = x.heads(2), .weight = weight, .bias = bias, .eps = 1e-5f});
    for (int64_t h = 0; h < 2; ++h) {
      const ConstMat from(before.mat().data + h * size, {5, size}, before.mat().stride);
      const Mat to(y.mat().data + h * size, {5, size}, y.mat().stride);
      ops_.layer_norm(queue_, {.x = from, .weight = weight, .bias = bias, .eps = 1e-5f, .y = to});
    }
    EXPECT_EQ(x, y);
  }
}

TEST_P(RowOps, scales_rows_and_clamps_exactly) {
  Random random(43);
  for (int64_t features : kSizes) {
    Padded x(3, features, random, 4);
    Padded expected = x;
    const std::vector<float> factors{0.5f, -1.25f, 3};
    reference_.scale_rows(queue_, expected.mat(), factors);
    reference_.clamp(queue_, expected.mat(), 1.5f);
    ops_.scale_rows(queue_, x.mat(), factors);
    ops_.clamp(queue_, x.mat(), 1.5f);
    EXPECT_EQ(x, expected);
  }
}

TEST_P(RowOps, rope_rotates_the_leading_part_of_each_head) {
  Random random(5);
  for (int64_t size : {8, 34, 128}) {
    for (int64_t half : {int64_t{1}, size / 2 - 1, size / 2}) {
      for (RopePairs pairs : {RopePairs::half, RopePairs::interleaved}) {
        Padded x(33, 3 * size, random), cos(33, half), sin(33, half), bound(33, 3 * size);
        for (int64_t n = 0; n < 33; ++n) {
          for (int64_t i = 0; i < half; ++i) {
            const float angle = random.normal() * 10;
            *cos.mat().at(n, i) = std::cos(angle);
            *sin.mat().at(n, i) = std::sin(angle);
          }
        }
        const Padded before = x;
        Padded expected = x;
        reference_.rope(queue_, expected.heads(3), cos.mat(), sin.mat(), pairs);
        ops_.rope(queue_, x.heads(3), cos.mat(), sin.mat(), pairs);
        for (int64_t n = 0; n < 33; ++n) {
          for (int64_t i = 0; i < 3 * size; ++i) {  // |a cos| + |b sin| <= 2 max(|a|, |b|)
            const int64_t at = i % size, first = i - at;
            const int64_t partner =
                pairs == RopePairs::half ? (at < half ? at + half : at - half) : at ^ 1;
            const bool rotates = at < 2 * half;
            const double other = rotates ? std::abs(*before.mat().at(n, first + partner)) : 0;
            *bound.mat().at(n, i) = static_cast<float>(
                rotates ? 2 * kUnit * (std::abs(*before.mat().at(n, i)) + other) : 0);
          }
        }
        expect_close(x, expected, bound);
      }
    }
  }
}

Activation gated(Act act, ConstMat gate, ConstMat up, Mat y) {
  return {.act = act, .gate = gate, .up = up, .y = y, .parameters = kXielu};
}

double activation_error(Act act, double x, double y) {
  switch (act) {
    case Act::gelu:  // erfc is good to 1.5e-7 absolute
      return std::abs(x) * (1.5e-7 + 8 * kUnit);
    case Act::xielu:  // its terms may cancel
      return 8 * kUnit * (2 * std::abs(x) + (x > 0 ? x * x : 1.3)) + 1e-37;
    case Act::gelu_tanh:  // (1 + tanh) cancels for negative x
      return std::abs(x) * 8 * kUnit;
    default:
      return std::abs(y) * 8 * kUnit + 1e-37;
  }
}

TEST_P(RowOps, activations_are_the_reference_within_rounding) {
  Random random(6);
  for (Act act : kActs) {
    for (int64_t features : kSizes) {
      for (int64_t rows : kRows) {
        const Padded gate(rows, features, random, 5), up(rows, features, random);
        Padded actual(rows, features), expected(rows, features), bound(rows, features);
        Padded alone(rows, features), alone_expected(rows, features);
        reference_.activate(queue_, gated(act, gate.mat(), up.mat(), expected.mat()));
        ops_.activate(queue_, gated(act, gate.mat(), up.mat(), actual.mat()));
        reference_.activate(queue_, gated(act, gate.mat(), {}, alone_expected.mat()));
        ops_.activate(queue_, gated(act, gate.mat(), {}, alone.mat()));
        for (int64_t n = 0; n < rows; ++n) {
          for (int64_t i = 0; i < features; ++i)
            *bound.mat().at(n, i) = static_cast<float>(
                activation_error(act, *gate.mat().at(n, i), *alone_expected.mat().at(n, i)));
        }
        expect_close(alone, alone_expected, bound);
        for (int64_t n = 0; n < rows; ++n) {
          for (int64_t i = 0; i < features; ++i)
            *bound.mat().at(n, i) =
                static_cast<float>(*bound.mat().at(n, i) * std::abs(*up.mat().at(n, i)) +
                                   kUnit * std::abs(*expected.mat().at(n, i)));
        }
        expect_close(actual, expected, bound);
        Padded in_place = gate;
        ops_.activate(queue_, gated(act, in_place.mat(), up.mat(), in_place.mat()));
        EXPECT_EQ(in_place, actual);
      }
    }
  }
}

TEST_P(RowOps, activations_hold_at_the_ends_of_the_range) {
  constexpr float kEnds[] = {0, -0.0f, 1e-30f, -1e-30f, 50, -50, 88, -88, 104, -104, 1000, -1000};
  const ConstMat x(kEnds, {1, std::size(kEnds)});
  for (Act act : kActs) {
    Padded actual(1, x.cols()), expected(1, x.cols());
    reference_.activate(queue_, gated(act, x, {}, expected.mat()));
    ops_.activate(queue_, gated(act, x, {}, actual.mat()));
    for (int64_t i = 0; i < x.cols(); ++i) {
      const double y = *expected.mat().at(0, i);
      EXPECT_NEAR(*actual.mat().at(0, i), y, activation_error(act, kEnds[i], y)) << kEnds[i];
    }
  }
}

TEST_P(RowOps, softcap_and_add_are_the_reference_within_rounding) {
  Random random(7);
  for (int64_t features : kSizes) {
    for (float cap : {0.0f, 2.0f, 50.0f}) {
      Padded x(3, features, random, 4);
      const Padded before = x;
      Padded expected = x, bound(3, features), sum = x, sum_expected = x, sum_bound(3, features);
      reference_.scale_softcap(queue_, expected.mat(), 0.3f, cap);
      ops_.scale_softcap(queue_, x.mat(), 0.3f, cap);
      reference_.add(queue_, expected.mat(), -1.7f, sum_expected.mat());
      ops_.add(queue_, expected.mat(), -1.7f, sum.mat());
      for (int64_t n = 0; n < 3; ++n) {
        for (int64_t i = 0; i < features; ++i) {
          const double y = std::abs(*expected.mat().at(n, i));
          *bound.mat().at(n, i) = static_cast<float>(8 * kUnit * y);
          *sum_bound.mat().at(n, i) =
              static_cast<float>(2 * kUnit * (std::abs(*before.mat().at(n, i)) + 1.7 * y));
        }
      }
      expect_close(x, expected, bound);
      expect_close(sum, sum_expected, sum_bound);
    }
  }
}

// Runs f on all rows with 1, 2 and 3 threads and on each row alone.
template <class F>
void expect_rows_independent(const Padded& x, F f) {
  Padded whole(x.mat().rows(), x.mat().cols());
  ThreadPool single(1);
  Queue single_queue(single);
  f(single_queue, x.mat(), whole.mat());
  for (int threads : {2, 3}) {
    ThreadPool pool(threads);
    Queue queue(pool);
    Padded y(x.mat().rows(), x.mat().cols());
    f(queue, x.mat(), y.mat());
    EXPECT_EQ(y, whole) << threads << " threads";
  }
  Padded alone(x.mat().rows(), x.mat().cols());
  for (int64_t n = 0; n < x.mat().rows(); ++n)
    f(single_queue, x.mat().slice(n, n + 1), alone.mat().slice(n, n + 1));
  EXPECT_EQ(alone, whole);
}

TEST_P(RowOps, a_row_depends_neither_on_its_batch_nor_on_threads) {
  Random random(8);
  for (int64_t features : {int64_t{17}, int64_t{896}, int64_t{4097}}) {
    const Padded x(33, features, random);
    const std::vector<float> weight = random.normals(features);
    expect_rows_independent(x, [&](Queue& queue, ConstMat from, Mat to) {
      ops_.rms_norm(queue, {.x = from, .weight = weight, .bias = {}, .eps = 1e-6f, .y = to});
    });
    expect_rows_independent(x, [&](Queue& queue, ConstMat from, Mat to) {
      ops_.layer_norm(queue, {.x = from, .weight = weight, .bias = {}, .eps = 1e-6f, .y = to});
    });
    for (Act act : kActs) {
      expect_rows_independent(x, [&](Queue& queue, ConstMat from, Mat to) {
        ops_.activate(queue, gated(act, from, from, to));
      });
    }
    expect_rows_independent(x, [&](Queue& queue, ConstMat from, Mat to) {
      ops_.add(queue, from, 0.7f, to);
      ops_.scale_softcap(queue, to, 1.3f, 3);
    });
  }
}

OCTAVO_EVERY_TABLE(RowOps);

}  // namespace
}  // namespace octavo::conformance
