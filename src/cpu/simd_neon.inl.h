// Vectors of 4 floats; see simd.h. Included in an unnamed namespace. No target region: these
// instructions are part of every 64-bit Arm.

inline constexpr int64_t kLanes = 4;
using F = float32x4_t;

inline uint32x4_t first_lanes(int64_t count) {
  const uint32_t index[4] = {0, 1, 2, 3};
  return vcltq_u32(vld1q_u32(index), vdupq_n_u32(static_cast<uint32_t>(count)));
}

inline F set(float v) { return vdupq_n_f32(v); }
inline F load(const float* p) { return vld1q_f32(p); }
inline F load_partial(const float* p, int64_t count) {
  float lanes[4] = {};
  for (int64_t i = 0; i < count; ++i) lanes[i] = p[i];
  return vld1q_f32(lanes);
}
inline void store(float* p, F v) { vst1q_f32(p, v); }
inline void store_partial(float* p, F v, int64_t count) {
  float lanes[4];
  vst1q_f32(lanes, v);
  for (int64_t i = 0; i < count; ++i) p[i] = lanes[i];
}
// `v` with 0 behind its first `count` lanes.
inline F first(F v, int64_t count) {
  return vreinterpretq_f32_u32(vandq_u32(vreinterpretq_u32_f32(v), first_lanes(count)));
}

inline F add(F a, F b) { return vaddq_f32(a, b); }
inline F sub(F a, F b) { return vsubq_f32(a, b); }
inline F mul(F a, F b) { return vmulq_f32(a, b); }
inline F div(F a, F b) { return vdivq_f32(a, b); }
inline F fma(F a, F b, F c) { return vfmaq_f32(c, a, b); }
inline F fnma(F a, F b, F c) { return vfmsq_f32(c, a, b); }
// Of the two the second where either is NaN, as on x86; FMAX would give NaN.
inline F max(F a, F b) { return vbslq_f32(vcgtq_f32(a, b), a, b); }
inline F min(F a, F b) { return vbslq_f32(vcltq_f32(a, b), a, b); }
inline F abs(F a) { return vabsq_f32(a); }
inline F negate(F a) { return vnegq_f32(a); }
// `a` with the sign of `sign`.
inline F copy_sign(F a, F sign) { return vbslq_f32(vdupq_n_u32(0x80000000u), sign, a); }
inline F select_less(F x, F bound, F where_less, F otherwise) {
  return vbslq_f32(vcltq_f32(x, bound), where_less, otherwise);
}
inline float reduce_add(F v) { return vaddvq_f32(v); }
inline float reduce_max(F v) {
  const float32x2_t pair = vpmax_f32(vget_low_f32(v), vget_high_f32(v));
  return std::max(vget_lane_f32(pair, 0), vget_lane_f32(pair, 1));
}

inline F round(F v) { return vrndnq_f32(v); }
inline F power_of_two(int32x4_t n) {
  return vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(n, vdupq_n_s32(127)), 23));
}
// v · 2^n for whole n, |n| < 252: in two factors, so that results below the normal range are right.
inline F scale_by_power(F v, F n) {
  const int32x4_t whole = vcvtnq_s32_f32(n), half = vshrq_n_s32(whole, 1);
  return mul(mul(v, power_of_two(half)), power_of_two(vsubq_s32(whole, half)));
}

inline F even_bf16(F pairs) {
  return vreinterpretq_f32_u32(vshlq_n_u32(vreinterpretq_u32_f32(pairs), 16));
}
inline F odd_bf16(F pairs) {
  return vreinterpretq_f32_u32(vandq_u32(vreinterpretq_u32_f32(pairs), vdupq_n_u32(0xFFFF0000u)));
}
// The even bf16 of each lane, the odd one 0.
inline F low_half(F pairs) {
  return vreinterpretq_f32_u32(vandq_u32(vreinterpretq_u32_f32(pairs), vdupq_n_u32(0xFFFFu)));
}

// Lanes (a b c d) as (b a d c).
inline F swap_neighbours(F v) { return vrev64q_f32(v); }
// The first `count` of 2 floats, each twice: (a a b b).
inline F load_twice(const float* p, int64_t count) {
  const float a = p[0], b = count > 1 ? p[1] : 0.0f;
  const float lanes[4] = {a, a, b, b};
  return vld1q_f32(lanes);
}
// a·b - c in even lanes, a·b + c in odd ones.
inline F fma_subtract_add(F a, F b, F c) {
  const uint32_t even[4] = {0x80000000u, 0, 0x80000000u, 0};
  const uint32x4_t signs = veorq_u32(vreinterpretq_u32_f32(c), vld1q_u32(even));
  return vfmaq_f32(vreinterpretq_f32_u32(signs), a, b);
}

inline void fetch_line(const void* p) { __builtin_prefetch(p, 0, 2); }

// Four lines of four floats, turned: float i of the lines to to[i · width ..].
inline void turn_four(const float* from, int64_t stride, float* to, int64_t width) {
  const float32x4_t a = vld1q_f32(from), b = vld1q_f32(from + stride);
  const float32x4_t c = vld1q_f32(from + 2 * stride), d = vld1q_f32(from + 3 * stride);
  const float32x4x2_t ab = vtrnq_f32(a, b), cd = vtrnq_f32(c, d);
  vst1q_f32(to, vcombine_f32(vget_low_f32(ab.val[0]), vget_low_f32(cd.val[0])));
  vst1q_f32(to + width, vcombine_f32(vget_low_f32(ab.val[1]), vget_low_f32(cd.val[1])));
  vst1q_f32(to + 2 * width, vcombine_f32(vget_high_f32(ab.val[0]), vget_high_f32(cd.val[0])));
  vst1q_f32(to + 3 * width, vcombine_f32(vget_high_f32(ab.val[1]), vget_high_f32(cd.val[1])));
}
