#pragma once

#include <algorithm>
#include <cstdint>

#include "ops/kv.h"

// How the CPU tables lay out a block, per kv head: units of 16 tokens, then the scales of all the
// block's tokens (bf16, int8 only). P elements make a lane: 1 of f32, 2 of bf16 or fp8, 4 of int8.
//
//   keys    [unit][head_dim / P][16 tokens][P]    a vector holds a lane of 16 (or 8) tokens: scores
//                                                 come out one a lane, without horizontal sums
//   values  [unit][head_dim / 16][16 / P tokens][16][P]   strips of 16 elements (the last may be
//                                                 narrower); a vector holds 16 (or 8) elements of a
//                                                 token, a pair or four tokens
//
// With bf16 both are operands of vdpbf16ps and B operands of AMX tiles (16 pairs × 16), with int8
// of vpdpbusd: codes of keys are stored as code + 128, since that instruction multiplies unsigned
// by signed. AVX2 reads the same bytes: shifts give the elements of a lane.
namespace octavo::cpu {

inline constexpr int64_t kUnitTokens = 16;
inline constexpr int64_t kStrip = 16;
inline constexpr uint8_t kKeyOffset = 128;  // of int8 keys

struct KvLayout {
  int64_t head_dim, pack, element_bytes;
  int64_t unit_bytes, head_bytes, scales_at;  // of a kv head; scales_at: from its start

  explicit KvLayout(const KvShape& shape)
      : head_dim(shape.head_dim),
        pack(pack_of(shape.dtype)),
        element_bytes(size_bytes(shape.dtype)),
        unit_bytes(kUnitTokens * head_dim * element_bytes),
        head_bytes(shape.block_tokens * shape.token_bytes()),
        scales_at(shape.block_tokens * head_dim * element_bytes) {}

  static int64_t pack_of(DType type) { return type == DType::f32 ? 1 : type == DType::i8 ? 4 : 2; }

  // Offsets in elements inside a unit.
  int64_t key(int64_t token, int64_t i) const {
    return (i / pack * kUnitTokens + token) * pack + i % pack;
  }
  int64_t strip_width(int64_t i) const { return std::min(kStrip, head_dim - i / kStrip * kStrip); }
  int64_t value(int64_t token, int64_t i) const {
    const int64_t in_strip = token / pack * strip_width(i) + i % kStrip;
    return i / kStrip * kStrip * kUnitTokens + in_strip * pack + token % pack;
  }
};

// Caches that the layout takes; others are left to the reference table. Sums of int8 products are
// whole numbers below 2^31 up to the head size.
inline bool has_layout(const KvShape& shape) noexcept {
  constexpr int64_t kMostInt8 = 512;
  return shape.block_tokens % kUnitTokens == 0 &&
         shape.head_dim % KvLayout::pack_of(shape.dtype) == 0 &&
         (shape.dtype != DType::i8 || shape.head_dim <= kMostInt8);
}

}  // namespace octavo::cpu
