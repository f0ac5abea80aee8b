#include "quant/linear_algebra.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/check.h"

namespace octavo::quant {
namespace {

constexpr int64_t kBlock = 128;

// Of m: rows [row, row + rows), columns [column, column + columns).
Mat part(Mat m, int64_t row, int64_t column, int64_t rows, int64_t columns) {
  return {m.data + row * m.stride[0] + column, {rows, columns}, {m.stride[0], 1}};
}

// A block on the diagonal in double, row by row.
class Square {
 public:
  explicit Square(Mat m) : n_(m.rows()), values_(static_cast<size_t>(n_ * n_)) {
    for (int64_t i = 0; i < n_; ++i) std::copy(m.at(i, i), m.at(i) + n_, row(i) + i);
  }

  void write_to(Mat m) const {
    for (int64_t i = 0; i < n_; ++i) {
      for (int64_t j = i; j < n_; ++j) *m.at(i, j) = static_cast<float>(row(i)[j]);
    }
  }

  // R with this = R·Rᵀ, from the last column to the first.
  bool factor() {
    std::vector<double> column(static_cast<size_t>(n_));
    for (int64_t c = n_ - 1; c >= 0; --c) {
      const double pivot = row(c)[c];
      if (!(pivot > 0) || !std::isfinite(pivot)) return false;
      row(c)[c] = std::sqrt(pivot);
      for (int64_t i = 0; i < c; ++i) column[i] = row(i)[c] /= row(c)[c];
      for (int64_t i = 0; i < c; ++i) subtract(row(i), column[i], column.data(), i, c);
    }
    return true;
  }

  // The inverse of this upper triangle, from the last row to the first: row i of it is
  // (e_i - Σ_{k > i} r_ik · row k) / r_ii.
  void invert() {
    for (int64_t i = n_ - 1; i >= 0; --i) {
      const double diagonal = 1 / row(i)[i];
      std::vector<double> sum(static_cast<size_t>(n_));
      for (int64_t k = i + 1; k < n_; ++k) subtract(sum.data(), row(i)[k], row(k), k, n_);
      row(i)[i] = diagonal;
      for (int64_t j = i + 1; j < n_; ++j) row(i)[j] = sum[j] * diagonal;
    }
  }

 private:
  double* row(int64_t i) { return values_.data() + i * n_; }
  const double* row(int64_t i) const { return values_.data() + i * n_; }
  static void subtract(double* to, double factor, const double* from, int64_t begin, int64_t end) {
    for (int64_t j = begin; j < end; ++j) to[j] -= factor * from[j];
  }

  int64_t n_;
  std::vector<double> values_;
};

// [rows, columns] of its own.
struct Copy {
  std::vector<float> values;
  Mat mat;

  Copy(int64_t rows, int64_t columns)
      : values(static_cast<size_t>(rows * columns)), mat(values.data(), {rows, columns}) {}
  explicit Copy(ConstMat from) : Copy(from.rows(), from.cols()) {
    for (int64_t i = 0; i < from.rows(); ++i) std::ranges::copy(from.row(i), mat.at(i));
  }
};

// Upper triangle of m with zeros below it, as a product reads it.
Copy triangle(Mat m) {
  Copy copy(m);
  for (int64_t i = 0; i < m.rows(); ++i) std::fill_n(copy.mat.at(i), i, 0.0f);
  return copy;
}

int64_t last_block(int64_t n) { return n == 0 ? 0 : (n - 1) / kBlock * kBlock; }

// With the diagonal blocks already inverted. Going down, block row b meets what is right of it:
// where step b has passed, element (i, j) with i <= b < j holds Σ_{k <= b} u_ik · r_kj, which
// becomes -u_ij once its column is reached.
void invert_around_diagonal(Queue& queue, const Ops& ops, Mat r) {
  const int64_t n = r.rows();
  for (int64_t b = 0; b < n; b += kBlock) {
    const int64_t size = std::min(kBlock, n - b), end = b + size;
    const Copy diagonal = triangle(part(r, b, b, size, size));
    const Mat above = part(r, 0, b, b, size);
    if (b > 0) {
      const Copy sums(above);
      ops.gemm(queue, {.a = sums.mat, .b = diagonal.mat, .c = above, .alpha = -1});
    }
    if (end == n) return;
    const Mat right = part(r, b, end, size, n - end);
    const Copy row(right);
    if (b > 0) {
      ops.gemm(queue,
               {.a = above, .b = row.mat, .c = part(r, 0, end, b, n - end), .into = Into::add});
    }
    ops.gemm(queue, {.a = diagonal.mat, .b = row.mat, .c = right});
  }
}

enum class Diagonal { factor, inverse };  // what the blocks on the diagonal become

bool factor_blocks(Queue& queue, const Ops& ops, Mat h, Diagonal diagonal) {
  OCTAVO_CHECK(h.rows() == h.cols());
  const int64_t n = h.rows();
  for (int64_t b = last_block(n); b >= 0 && n > 0; b -= kBlock) {
    const int64_t size = std::min(kBlock, n - b);
    const Mat block = part(h, b, b, size, size);
    Square square(block);
    if (!square.factor()) return false;
    if (diagonal == Diagonal::factor) square.write_to(block);
    square.invert();
    Copy inverse(size, size);
    square.write_to(inverse.mat);
    if (diagonal == Diagonal::inverse) square.write_to(block);
    if (b == 0) return true;
    const Mat above = part(h, 0, b, b, size);
    const Copy before(above);
    ops.gemm(queue, {.a = before.mat, .b = inverse.mat, .c = above, .form = GemmForm::abt});
    ops.gemm(queue, {.a = above,
                     .b = above,
                     .c = part(h, 0, 0, b, b),
                     .form = GemmForm::abt,
                     .part = GemmPart::upper,
                     .alpha = -1,
                     .into = Into::add});
  }
  return true;
}

}  // namespace

bool factor_upper(Queue& queue, const Ops& ops, Mat h) {
  return factor_blocks(queue, ops, h, Diagonal::factor);
}

void invert_upper(Queue& queue, const Ops& ops, Mat r) {
  OCTAVO_CHECK(r.rows() == r.cols());
  for (int64_t b = 0; b < r.rows(); b += kBlock) {
    const int64_t size = std::min(kBlock, r.rows() - b);
    const Mat block = part(r, b, b, size, size);
    Square square(block);
    square.invert();
    square.write_to(block);
  }
  invert_around_diagonal(queue, ops, r);
}

bool factor_inverse(Queue& queue, const Ops& ops, Mat h) {
  if (!factor_blocks(queue, ops, h, Diagonal::inverse)) return false;
  invert_around_diagonal(queue, ops, h);
  return true;
}

}  // namespace octavo::quant
