// Vectors of 16 floats; see simd.h. Included inside a target region, in an unnamed namespace.

inline constexpr int64_t kLanes = 16;
using F = __m512;

inline __mmask16 first_lanes(int64_t count) { return static_cast<__mmask16>((1u << count) - 1); }

inline F set(float v) { return _mm512_set1_ps(v); }
inline F load(const float* p) { return _mm512_loadu_ps(p); }
inline F load_partial(const float* p, int64_t count) {
  return _mm512_maskz_loadu_ps(first_lanes(count), p);
}
inline void store(float* p, F v) { _mm512_storeu_ps(p, v); }
inline void store_partial(float* p, F v, int64_t count) {
  _mm512_mask_storeu_ps(p, first_lanes(count), v);
}
// `v` with 0 behind its first `count` lanes.
inline F first(F v, int64_t count) { return _mm512_maskz_mov_ps(first_lanes(count), v); }

inline F add(F a, F b) { return _mm512_add_ps(a, b); }
inline F sub(F a, F b) { return _mm512_sub_ps(a, b); }
inline F mul(F a, F b) { return _mm512_mul_ps(a, b); }
inline F div(F a, F b) { return _mm512_div_ps(a, b); }
inline F fma(F a, F b, F c) { return _mm512_fmadd_ps(a, b, c); }
inline F fnma(F a, F b, F c) { return _mm512_fnmadd_ps(a, b, c); }
inline F max(F a, F b) { return _mm512_max_ps(a, b); }
inline F min(F a, F b) { return _mm512_min_ps(a, b); }
inline F abs(F a) { return _mm512_abs_ps(a); }
inline F negate(F a) { return _mm512_xor_ps(a, set(-0.0f)); }
// `a` with the sign of `sign`.
inline F copy_sign(F a, F sign) {
  return _mm512_or_ps(_mm512_andnot_ps(set(-0.0f), a), _mm512_and_ps(set(-0.0f), sign));
}
inline F select_less(F x, F bound, F where_less, F otherwise) {
  return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(x, bound, _CMP_LT_OQ), otherwise, where_less);
}
inline float reduce_add(F v) {
  const __m256 half = _mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
  const __m128 quarter = _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
  const __m128 pair = _mm_add_ps(quarter, _mm_movehl_ps(quarter, quarter));
  return _mm_cvtss_f32(_mm_add_ss(pair, _mm_movehdup_ps(pair)));
}
inline float reduce_max(F v) {
  const __m256 half = _mm256_max_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
  const __m128 quarter = _mm_max_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
  const __m128 pair = _mm_max_ps(quarter, _mm_movehl_ps(quarter, quarter));
  return _mm_cvtss_f32(_mm_max_ss(pair, _mm_movehdup_ps(pair)));
}

inline F round(F v) {
  return _mm512_roundscale_ps(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
// v · 2^n for whole n.
inline F scale_by_power(F v, F n) { return _mm512_scalef_ps(v, n); }

inline F even_bf16(F pairs) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_castps_si512(pairs), 16));
}
inline F odd_bf16(F pairs) {
  return _mm512_castsi512_ps(_mm512_and_si512(_mm512_castps_si512(pairs),
                                              _mm512_set1_epi32(static_cast<int>(0xFFFF0000))));
}

// The even bf16 of each lane, the odd one 0.
inline F low_half(F pairs) {
  return _mm512_castsi512_ps(
      _mm512_and_si512(_mm512_castps_si512(pairs), _mm512_set1_epi32(0xFFFF)));
}

// Lanes (a b c d ...) as (b a d c ...).
inline F swap_neighbours(F v) { return _mm512_permute_ps(v, 0xB1); }
// The first `count` of 8 floats, each twice: (a a b b ...).
inline F load_twice(const float* p, int64_t count) {
  const __m512i index = _mm512_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7);
  return _mm512_permutexvar_ps(index, load_partial(p, count));
}
// a·b - c in even lanes, a·b + c in odd ones.
inline F fma_subtract_add(F a, F b, F c) { return _mm512_fmaddsub_ps(a, b, c); }

// ---- Lanes of several elements of a KV cache.
// Byte j of each lane, signed, as float.
template <int kByte>
inline F signed_byte(F lanes) {
  const __m512i top = _mm512_slli_epi32(_mm512_castps_si512(lanes), 24 - 8 * kByte);
  return _mm512_cvtepi32_ps(_mm512_srai_epi32(top, 24));
}
inline F flip_byte_signs(F lanes) {
  return _mm512_castsi512_ps(_mm512_xor_si512(_mm512_castps_si512(lanes),
                                              _mm512_set1_epi32(static_cast<int>(0x80808080))));
}
// Pairs of 8-bit floats at p as pairs of bf16 (exact). `small`: the first values of the format,
// those below its normal numbers; kShift and kBias bring the others to their place.
template <class Format>
inline F widen_pairs(const std::byte* p) {
  const __m512i word =
      _mm512_cvtepu8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
  const __m512i magnitude = _mm512_and_si512(word, _mm512_set1_epi16(0x7F));
  const __m512i small =
      _mm512_broadcast_i64x2(_mm_loadu_si128(reinterpret_cast<const __m128i*>(Format::kSmall)));
  __m512i bits = _mm512_add_epi16(_mm512_slli_epi16(magnitude, Format::kShift),
                                  _mm512_set1_epi16(Format::kBias));
  bits = _mm512_mask_permutexvar_epi16(
      bits, _mm512_cmplt_epi16_mask(magnitude, _mm512_set1_epi16(Format::kSmalls)), magnitude,
      small);
  bits = _mm512_mask_add_epi16(
      bits, _mm512_cmpge_epi16_mask(magnitude, _mm512_set1_epi16(Format::kFirstSpecial)), bits,
      _mm512_set1_epi16(Format::kSpecialBias));
  const __m512i sign = _mm512_slli_epi16(_mm512_and_si512(word, _mm512_set1_epi16(0x80)), 8);
  return _mm512_castsi512_ps(_mm512_or_si512(bits, sign));
}
// kLanes bf16 as floats.
inline F load_bf16(const uint16_t* p) {
  const __m512i wide =
      _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
  return _mm512_castsi512_ps(_mm512_slli_epi32(wide, 16));
}
