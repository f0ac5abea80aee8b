#pragma once

#include <algorithm>
#include <cstdint>

#include "base/check.h"
#include "cpu/attention_plan.h"
#include "ops/kv.h"

// How the CPU tables lay out a block of 32 tokens, per kv head; P = 2 for bf16, 1 for f32:
//
//   keys    [head_dim / P][32 tokens][P]            a vector holds one (pair of) elements of 16 or
//   8
//                                                   tokens: scores come out one a lane, without
//                                                   horizontal sums
//   values  [head_dim / 16][32 / P tokens][16][P]   strips of 16 elements (the last may be
//   narrower);
//                                                   a vector holds 16 or 8 elements of a token (of
//                                                   a pair of tokens)
//
// With P = 2 both are B operands of vdpbf16ps and of AMX tiles (16 pairs × 16, rows 128 and 64
// bytes apart). AVX2 reads the same bytes: shift and mask give the floats of either half.
namespace octavo::cpu {

inline constexpr int64_t kStrip = 16;

// Offsets in elements inside the block of one kv head.
struct KvLayout {
  int64_t head_dim, pack;

  explicit KvLayout(const KvShape& shape)
      : head_dim(shape.head_dim), pack(shape.dtype == DType::bf16 ? 2 : 1) {
    OCTAVO_CHECK(shape.block_tokens == kBlockTokens && head_dim % pack == 0);
  }

  int64_t key(int64_t token, int64_t i) const {
    return (i / pack * kBlockTokens + token) * pack + i % pack;
  }
  int64_t strip_width(int64_t i) const { return std::min(kStrip, head_dim - i / kStrip * kStrip); }
  int64_t value(int64_t token, int64_t i) const {
    const int64_t in_strip = token / pack * strip_width(i) + i % kStrip;
    return i / kStrip * kStrip * kBlockTokens + in_strip * pack + token % pack;
  }
};

// Head sizes that the layout takes; others are left to the reference table.
inline bool has_layout(const KvShape& shape) noexcept {
  return shape.block_tokens == kBlockTokens &&
         (shape.dtype == DType::f32 || shape.head_dim % 2 == 0);
}

}  // namespace octavo::cpu
