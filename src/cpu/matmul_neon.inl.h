// No #pragma once: vectors of NEON for matmul_panel.inl.h.
using F = float32x4_t;
typedef uint32_t U __attribute__((vector_size(16)));
typedef int32_t S __attribute__((vector_size(16)));

// 32 registers: 24 sums, 4 weights, elements of x. One row takes half of a B row at a time.
constexpr int kLanes = 4, kTileRows = 6;
constexpr int tile_vectors(int rows) { return rows <= 3 ? 8 : 4; }

inline F zero_f() { return vdupq_n_f32(0); }
inline F load_f(const void* p) { return vld1q_f32(static_cast<const float*>(p)); }
inline void store_f(void* p, F v) { vst1q_f32(static_cast<float*>(p), v); }
inline U load_u(const void* p) { return (U)vld1q_u32(static_cast<const uint32_t*>(p)); }
inline U load_u16(const void* p) { return (U)vmovl_u16(vld1_u16(static_cast<const uint16_t*>(p))); }
inline U load_u8(const void* p) {
  uint32_t four = 0;
  std::memcpy(&four, p, 4);
  return (U)vmovl_u16(vget_low_u16(vmovl_u8(vcreate_u8(four))));
}
inline S load_i8(const void* p) {
  uint32_t four = 0;
  std::memcpy(&four, p, 4);
  return (S)vmovl_s16(vget_low_s16(vmovl_s8(vcreate_s8(four))));
}
inline F look_up(const float* table, U index) {  // of 16
  const float lanes[4] = {table[index[0]], table[index[1]], table[index[2]], table[index[3]]};
  return vld1q_f32(lanes);
}
inline F load_f16(const void* p) {
  return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(static_cast<const uint16_t*>(p))));
}
inline F broadcast(const void* p) { return vld1q_dup_f32(static_cast<const float*>(p)); }
inline F as_f(U v) { return (F)v; }
inline U as_u(F v) { return (U)v; }
inline F to_f(U v) { return vcvtq_f32_u32((uint32x4_t)v); }
inline F to_f(S v) { return vcvtq_f32_s32((int32x4_t)v); }
inline F fma(F a, F b, F c) { return vfmaq_f32(c, a, b); }
inline F fnma(F a, F b, F c) { return vfmsq_f32(c, a, b); }
inline float add_lanes(F v) { return vaddvq_f32(v); }
inline void store_bf16(void*, F) {}  // no kernel of this ISA reads bf16
inline void prefetch(const void* p) { __builtin_prefetch(p, 0, 2); }

// ---- For matmul_int8.inl.h.

constexpr int kIntRows = 4, kIntCodeRows = 4;
constexpr int int_tile_vectors(int rows) { return rows == 1 ? 8 : 4; }

// Sums of the four products of each lane's bytes; codes below 128.
inline S four_products(U codes, U x) {
  const int8x16_t a = (int8x16_t)codes, b = (int8x16_t)x;
  const int16x8_t low = vmull_s8(vget_low_s8(a), vget_low_s8(b)), high = vmull_high_s8(a, b);
  return (S)vpaddq_s32(vpaddlq_s16(low), vpaddlq_s16(high));
}
inline U look_up_bytes(const uint8_t* table, U index) {
  return (U)vqtbl1q_u8(vld1q_u8(table), (uint8x16_t)index);
}
inline int32_t round_unit(std::span<const float> x, float inverse, int64_t inputs_of_word,
                          std::byte* out) {
  int32_t sum = 0;
  const auto half = static_cast<size_t>(inputs_of_word / 2);
  for (size_t i = 0; i < x.size(); ++i) {
    const int32_t a = vcvtns_s32_f32(x[i] * inverse);
    sum += a;
    const size_t k = i % (2 * half), j = k % half;  // input j of one half of a word
    out[i - k + j / 2 * 4 + j % 2 * 2 + k / half] = static_cast<std::byte>(a);
  }
  return sum;
}
