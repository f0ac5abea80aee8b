#include "quant/linear_algebra.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

namespace octavo::quant {
namespace {

constexpr int64_t kSizes[] = {1, 2, 17, 127, 128, 129, 300, 385};

// x·xᵀ / samples + damp, and NaN below the diagonal, where nothing may look.
std::vector<float> random_hessian(int64_t n, unsigned seed, float damp = 0.05f) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal;
  const int64_t samples = n + 20;
  std::vector<float> x(samples * n);
  for (float& v : x) v = normal(generator);
  std::vector<float> h(n * n, std::numeric_limits<float>::quiet_NaN());
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t j = i; j < n; ++j) {
      double sum = i == j ? damp * static_cast<double>(samples) : 0;
      for (int64_t s = 0; s < samples; ++s) sum += double{x[s * n + i]} * x[s * n + j];
      h[i * n + j] = static_cast<float>(sum / static_cast<double>(samples));
    }
  }
  return h;
}

// Textbook: the lower Cholesky factor of a symmetric matrix, in double.
std::vector<double> cholesky(std::vector<double> a, int64_t n) {
  for (int64_t j = 0; j < n; ++j) {
    for (int64_t k = 0; k < j; ++k) a[j * n + j] -= a[j * n + k] * a[j * n + k];
    a[j * n + j] = std::sqrt(a[j * n + j]);
    for (int64_t i = j + 1; i < n; ++i) {
      for (int64_t k = 0; k < j; ++k) a[i * n + j] -= a[i * n + k] * a[j * n + k];
      a[i * n + j] /= a[j * n + j];
    }
    for (int64_t i = 0; i < j; ++i) a[i * n + j] = 0;
  }
  return a;
}

// Textbook: A⁻¹ from its lower factor, column by column.
std::vector<double> inverse(const std::vector<double>& l, int64_t n) {
  std::vector<double> result(n * n);
  for (int64_t c = 0; c < n; ++c) {
    std::vector<double> y(n);
    for (int64_t i = 0; i < n; ++i) {
      y[i] = i == c ? 1 : 0;
      for (int64_t k = 0; k < i; ++k) y[i] -= l[i * n + k] * y[k];
      y[i] /= l[i * n + i];
    }
    for (int64_t i = n - 1; i >= 0; --i) {
      for (int64_t k = i + 1; k < n; ++k) y[i] -= l[k * n + i] * y[k];
      y[i] /= l[i * n + i];
      result[i * n + c] = y[i];
    }
  }
  return result;
}

struct LinearAlgebra : testing::Test {
  ThreadPool pool{2};
  Queue queue{pool};
  Ops ops = reference::ops();
};

TEST_F(LinearAlgebra, factor_times_its_transpose_is_the_matrix) {
  for (int64_t n : kSizes) {
    const std::vector<float> h = random_hessian(n, 1);
    std::vector<float> r = h;
    ASSERT_TRUE(factor_upper(queue, ops, {r.data(), {n, n}}));
    for (int64_t i = 0; i < n; ++i) {
      for (int64_t j = i; j < n; ++j) {
        double sum = 0;
        for (int64_t k = j; k < n; ++k) sum += double{r[i * n + k]} * r[j * n + k];
        ASSERT_NEAR(sum, h[i * n + j], 2e-6) << n << ": " << i << ", " << j;
      }
    }
  }
}

TEST_F(LinearAlgebra, inverse_times_the_triangle_is_one) {
  for (int64_t n : kSizes) {
    std::vector<float> r = random_hessian(n, 2);
    ASSERT_TRUE(factor_upper(queue, ops, {r.data(), {n, n}}));
    std::vector<float> u = r;
    invert_upper(queue, ops, {u.data(), {n, n}});
    for (int64_t i = 0; i < n; ++i) {
      for (int64_t j = i; j < n; ++j) {
        double sum = 0;
        for (int64_t k = i; k <= j; ++k) sum += double{u[i * n + k]} * r[k * n + j];
        ASSERT_NEAR(sum, i == j ? 1 : 0, 2e-5) << n << ": " << i << ", " << j;
      }
    }
  }
}

TEST_F(LinearAlgebra, inverse_factor_is_the_one_of_cholesky_inverse_cholesky) {
  for (int64_t n : kSizes) {
    const std::vector<float> h = random_hessian(n, 3);
    std::vector<double> whole(n * n);
    for (int64_t i = 0; i < n; ++i) {
      for (int64_t j = 0; j < n; ++j) whole[i * n + j] = h[std::min(i, j) * n + std::max(i, j)];
    }
    const std::vector<double> want = cholesky(inverse(cholesky(whole, n), n), n);
    std::vector<float> u = h;
    ASSERT_TRUE(factor_inverse(queue, ops, {u.data(), {n, n}}));
    for (int64_t i = 0; i < n; ++i) {
      for (int64_t j = i; j < n; ++j)
        ASSERT_NEAR(u[i * n + j], want[j * n + i], 1e-4 * want[j * n + j] + 1e-5)
            << n << ": " << i << ", " << j;
    }
  }
}

TEST_F(LinearAlgebra, refuses_what_is_not_positive_definite) {
  for (int64_t n : {1, 129, 300}) {
    for (float bad : {0.0f, -1.0f, std::numeric_limits<float>::quiet_NaN(),
                      std::numeric_limits<float>::infinity()}) {
      std::vector<float> h = random_hessian(n, 4);
      h[(n / 2) * n + n / 2] = bad;
      std::vector<float> copy = h;
      EXPECT_FALSE(factor_upper(queue, ops, {h.data(), {n, n}})) << n << ", " << bad;
      EXPECT_FALSE(factor_inverse(queue, ops, {copy.data(), {n, n}})) << n << ", " << bad;
    }
  }
}

TEST_F(LinearAlgebra, leaves_the_lower_triangle_and_accepts_an_empty_matrix) {
  EXPECT_TRUE(factor_inverse(queue, ops, {nullptr, {0, 0}}));
  constexpr int64_t kSize = 200;
  std::vector<float> h = random_hessian(kSize, 5);
  ASSERT_TRUE(factor_inverse(queue, ops, {h.data(), {kSize, kSize}}));
  for (int64_t i = 0; i < kSize; ++i) {
    for (int64_t j = 0; j < i; ++j) ASSERT_TRUE(std::isnan(h[i * kSize + j]));
  }
}

}  // namespace
}  // namespace octavo::quant
