#include "engine/row_math.h"

#include <algorithm>
#include <limits>

#include "base/target_region.h"

namespace octavo::row_math {
namespace baseline {
namespace {
#if !defined(__clang__)
// Vectors wider than the registers are passed by reference throughout.
#pragma GCC diagnostic ignored "-Wpsabi"
#endif
#include "engine/row_math.inl.h"
}  // namespace
}  // namespace baseline

#if defined(__x86_64__)
OCTAVO_TARGET_BEGIN("avx2")
namespace avx2 {
namespace {
#include "engine/row_math.inl.h"
}  // namespace
}  // namespace avx2
OCTAVO_TARGET_END

OCTAVO_TARGET_BEGIN("avx512f,avx512bw,avx512vl,avx512dq,avx2")
namespace avx512 {
namespace {
#include "engine/row_math.inl.h"
}  // namespace
}  // namespace avx512
OCTAVO_TARGET_END
#endif

namespace {

#define OCTAVO_ROW_MATH(isa)                                                                \
  Kernels {                                                                                 \
    .peak = isa::peak, .next_at_least = isa::next_at_least, .sum_strips = isa::sum_strips,  \
    .weights = isa::weights, .histogram = isa::histogram, .count_before = isa::count_before \
  }

}  // namespace

Kernels kernels() noexcept {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")) {
    return OCTAVO_ROW_MATH(avx512);
  }
  if (__builtin_cpu_supports("avx2")) return OCTAVO_ROW_MATH(avx2);
#endif
  return OCTAVO_ROW_MATH(baseline);
}

float exp_negative(float x) {
  baseline::F v = baseline::F{} + x;
  baseline::exp_in_place(v);
  return v[0];
}

int64_t bucket_of(float logit, const Weighing& w, const Buckets& b) {
  const baseline::F v = baseline::F{} + logit;
  baseline::I buckets;
  baseline::find_buckets(v, w, b, buckets);
  return buckets[0];
}

}  // namespace octavo::row_math
