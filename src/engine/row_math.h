#pragma once

#include <cstdint>
#include <span>

#include "engine/distribution.h"

// The loops over a whole row of logits, 16 tokens at a time, compiled for the baseline, AVX2 and
// AVX-512. Every form does the same operations in the same order (row_math.inl.h): the CPU changes
// the time, never a bit.
namespace octavo::row_math {

// Sums of weights are taken by strips, so that a draw need only walk one of them.
inline constexpr int64_t kStripTokens = 4096;
inline int64_t strips(int64_t tokens) { return (tokens + kStripTokens - 1) / kStripTokens; }

// Buckets of equal width over the scaled distance from the peak, (peak - logit) · scale; the first
// takes all that is nearer than `begin` as well, the last all that is further.
inline constexpr int64_t kBuckets = 2048;
struct Buckets {
  float begin, width;
};

struct Kernels {
  // The largest logit; broken: a NaN or plus infinity among them.
  void (*peak)(std::span<const float> x, float& most, bool& broken) noexcept;
  // The first id >= `from` whose logit is >= bar; the row's length if none.
  int64_t (*next_at_least)(std::span<const float> x, int64_t from, float bar) noexcept;
  // sums[i] = Σ of the kept weights of strip i.
  void (*sum_strips)(std::span<const float> x, const Weighing& w, double* sums) noexcept;
  // The weights of the tokens from `begin` to the row's end; 0 of those that are not kept.
  void (*weights)(std::span<const float> x, int64_t begin, const Weighing& w, float* out) noexcept;
  // mass[b] += the kept weights of bucket b.
  void (*histogram)(std::span<const float> x, const Weighing& w, const Buckets& buckets,
                    double* mass) noexcept;
  // Tokens before (logit, id) in the order.
  int64_t (*count_before)(std::span<const float> x, const Scored& token) noexcept;
};
Kernels kernels() noexcept;

// The bucket of a logit in `histogram`.
int64_t bucket_of(float logit, const Weighing& w, const Buckets& buckets);
// e^x for x <= 0 as the loops have it.
float exp_negative(float x);

}  // namespace octavo::row_math
