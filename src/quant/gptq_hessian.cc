#include "quant/gptq_hessian.h"

#include <algorithm>
#include <atomic>
#include <cmath>

#include "base/check.h"
#include "quant/linear_algebra.h"

namespace octavo::quant {
namespace {

constexpr int64_t kSquare = 64;  // of elements mirrored at a time: both sides stay in the cache

}  // namespace

GptqHessian::GptqHessian(Queue& queue, Mat h)
    : h_(h), diagonal_(static_cast<size_t>(h.rows())), dead_(diagonal_.size()) {
  OCTAVO_CHECK(h.rows() == h.cols());
  const int64_t n = h.rows();
  std::atomic<bool> finite{true};
  queue.pool().each(n, [&](int64_t i, int) {
    if (!std::all_of(h.at(i, i), h.at(i) + n, [](float v) { return std::isfinite(v); }))
      finite.store(false, std::memory_order_relaxed);
  });
  finite_ = finite;
  double sum = 0;
  int64_t live = 0;
  for (int64_t i = 0; i < n; ++i) {
    diagonal_[i] = *h.at(i, i);
    dead_[i] = diagonal_[i] == 0;
    live += !dead_[i];
    sum += diagonal_[i];
  }
  if (live > 0) mean_ = static_cast<float>(sum / static_cast<double>(live));
  for (int64_t i = 0; i < n; ++i) {
    if (dead_[i]) diagonal_[i] = *h.at(i, i) = mean_;
  }
  mirror(queue, Into::lower);
}

void GptqHessian::mirror(Queue& queue, Into into) {
  const int64_t n = h_.rows(), squares = (n + kSquare - 1) / kSquare;
  queue.pool().each(squares, [&](int64_t square, int) {
    const int64_t first = square * kSquare, last = std::min(n, first + kSquare);
    for (int64_t begin = first; begin < n; begin += kSquare) {
      const int64_t end = std::min(n, begin + kSquare);
      for (int64_t i = first; i < last; ++i) {
        for (int64_t j = std::max(begin, i + 1); j < end; ++j) {
          if (into == Into::lower) {
            *h_.at(j, i) = *h_.at(i, j);
          } else {
            *h_.at(i, j) = *h_.at(j, i);
          }
        }
      }
    }
  });
}

void GptqHessian::reorder(Queue& queue, std::span<const int32_t> columns) {
  const int64_t n = h_.rows();
  queue.pool().split(n, 1, [&](int64_t begin, int64_t end, int worker) {
    auto* const row = reinterpret_cast<float*>(
        queue.worker_scratch(worker, static_cast<size_t>(n) * sizeof(float)));
    for (int64_t i = begin; i < end; ++i) {
      std::copy_n(h_.at(i), n, row);
      for (int64_t j = 0; j < n; ++j) *h_.at(i, j) = row[columns[j]];
    }
  });
  // Rows go round their cycles, one kept aside; each worker takes columns of its own.
  queue.pool().split(n, 64, [&](int64_t begin, int64_t end, int) {
    const int64_t count = end - begin;
    std::vector<char> done(static_cast<size_t>(n));
    std::vector<float> aside(static_cast<size_t>(count));
    for (int64_t first = 0; first < n; ++first) {
      if (done[first]) continue;
      std::copy_n(h_.at(first, begin), count, aside.data());
      int64_t i = first;
      for (; columns[i] != first; i = columns[i]) {
        std::copy_n(h_.at(columns[i], begin), count, h_.at(i, begin));
        done[i] = 1;
      }
      std::copy_n(aside.data(), count, h_.at(i, begin));
      done[i] = 1;
    }
  });
  const std::vector<float> diagonal = diagonal_;
  const std::vector<char> dead = dead_;
  for (int64_t i = 0; i < n; ++i) {
    diagonal_[i] = diagonal[columns[i]];
    dead_[i] = dead[columns[i]];
  }
}

std::optional<float> GptqHessian::factor(Queue& queue, const Ops& ops, float damp_percent) {
  if (!finite_) return {};
  const int64_t n = h_.rows();
  const auto attempt = [&](float damp, float floor) {
    for (int64_t i = 0; i < n; ++i) *h_.at(i, i) = std::max(diagonal_[i], floor) + damp * mean_;
    if (factor_inverse(queue, ops, h_)) return true;
    mirror(queue, Into::upper);
    return false;
  };
  float damp = damp_percent;
  for (float step = 0.01f; damp < 1; damp += step, step *= 2) {
    if (attempt(damp, 0)) return damp;
  }
  const float largest = std::abs(*std::ranges::max_element(
      diagonal_, [](float a, float b) { return std::abs(a) < std::abs(b); }));
  float floor = 1e-6f * largest;
  for (int round = 0; round < 6; ++round, floor *= 10) {
    if (attempt(1, floor)) return 1.0f;
  }
  return {};
}

ConstMat GptqHessian::whole(Queue& queue, float damp) {
  mirror(queue, Into::upper);
  for (int64_t i = 0; i < h_.rows(); ++i) *h_.at(i, i) = diagonal_[i] + damp * mean_;
  return h_;
}

}  // namespace octavo::quant
