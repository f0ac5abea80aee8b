// Vectors of 8 floats; see simd.h. Included inside a target region, in an unnamed namespace.

inline constexpr int64_t kLanes = 8;
using F = __m256;

inline __m256i first_lanes(int64_t count) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(count)),
                            _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

inline F set(float v) { return _mm256_set1_ps(v); }
inline F load(const float* p) { return _mm256_loadu_ps(p); }
inline F load_partial(const float* p, int64_t count) {
  return _mm256_maskload_ps(p, first_lanes(count));
}
inline void store(float* p, F v) { _mm256_storeu_ps(p, v); }
inline void store_partial(float* p, F v, int64_t count) {
  _mm256_maskstore_ps(p, first_lanes(count), v);
}
// `v` with 0 behind its first `count` lanes.
inline F first(F v, int64_t count) {
  return _mm256_and_ps(v, _mm256_castsi256_ps(first_lanes(count)));
}

inline F add(F a, F b) { return _mm256_add_ps(a, b); }
inline F sub(F a, F b) { return _mm256_sub_ps(a, b); }
inline F mul(F a, F b) { return _mm256_mul_ps(a, b); }
inline F div(F a, F b) { return _mm256_div_ps(a, b); }
inline F fma(F a, F b, F c) { return _mm256_fmadd_ps(a, b, c); }
inline F fnma(F a, F b, F c) { return _mm256_fnmadd_ps(a, b, c); }
inline F max(F a, F b) { return _mm256_max_ps(a, b); }
inline F min(F a, F b) { return _mm256_min_ps(a, b); }
inline F abs(F a) { return _mm256_andnot_ps(set(-0.0f), a); }
inline F negate(F a) { return _mm256_xor_ps(a, set(-0.0f)); }
// `a` with the sign of `sign`.
inline F copy_sign(F a, F sign) {
  return _mm256_or_ps(_mm256_andnot_ps(set(-0.0f), a), _mm256_and_ps(set(-0.0f), sign));
}
inline F select_less(F x, F bound, F where_less, F otherwise) {
  return _mm256_blendv_ps(otherwise, where_less, _mm256_cmp_ps(x, bound, _CMP_LT_OQ));
}
inline float reduce_add(F v) {
  const __m128 quarter = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  const __m128 pair = _mm_add_ps(quarter, _mm_movehl_ps(quarter, quarter));
  return _mm_cvtss_f32(_mm_add_ss(pair, _mm_movehdup_ps(pair)));
}
inline float reduce_max(F v) {
  const __m128 quarter = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  const __m128 pair = _mm_max_ps(quarter, _mm_movehl_ps(quarter, quarter));
  return _mm_cvtss_f32(_mm_max_ss(pair, _mm_movehdup_ps(pair)));
}

inline F round(F v) { return _mm256_round_ps(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
inline F power_of_two(__m256i n) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(n, _mm256_set1_epi32(127)), 23));
}
// v · 2^n for whole n, |n| < 252: in two factors, so that results below the normal range are right.
inline F scale_by_power(F v, F n) {
  const __m256i whole = _mm256_cvtps_epi32(n), half = _mm256_srai_epi32(whole, 1);
  return mul(mul(v, power_of_two(half)), power_of_two(_mm256_sub_epi32(whole, half)));
}

inline F even_bf16(F pairs) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_castps_si256(pairs), 16));
}
inline F odd_bf16(F pairs) {
  return _mm256_castsi256_ps(_mm256_and_si256(_mm256_castps_si256(pairs),
                                              _mm256_set1_epi32(static_cast<int>(0xFFFF0000))));
}

// The even bf16 of each lane, the odd one 0.
inline F low_half(F pairs) {
  return _mm256_castsi256_ps(
      _mm256_and_si256(_mm256_castps_si256(pairs), _mm256_set1_epi32(0xFFFF)));
}

// Lanes (a b c d ...) as (b a d c ...).
inline F swap_neighbours(F v) { return _mm256_permute_ps(v, 0xB1); }
// The first `count` of 4 floats, each twice: (a a b b ...).
inline F load_twice(const float* p, int64_t count) {
  const __m256i index = _mm256_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3);
  return _mm256_permutevar8x32_ps(load_partial(p, count), index);
}
// a·b - c in even lanes, a·b + c in odd ones.
inline F fma_subtract_add(F a, F b, F c) { return _mm256_fmaddsub_ps(a, b, c); }

// ---- Lanes of several elements of a KV cache.
// Byte j of each lane, signed, as float.
template <int kByte>
inline F signed_byte(F lanes) {
  const __m256i top = _mm256_slli_epi32(_mm256_castps_si256(lanes), 24 - 8 * kByte);
  return _mm256_cvtepi32_ps(_mm256_srai_epi32(top, 24));
}
inline F flip_byte_signs(F lanes) {
  return _mm256_castsi256_ps(_mm256_xor_si256(_mm256_castps_si256(lanes),
                                              _mm256_set1_epi32(static_cast<int>(0x80808080))));
}
// Pairs of 8-bit floats at p as pairs of bf16 (exact). `small`: the first values of the format,
// those below its normal numbers; kShift and kBias bring the others to their place.
template <class Format>
inline F widen_pairs(const std::byte* p) {
  const __m256i word = _mm256_cvtepu8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  const __m256i magnitude = _mm256_and_si256(word, _mm256_set1_epi16(0x7F));
  const __m256i small = _mm256_broadcastsi128_si256(
      _mm_loadu_si128(reinterpret_cast<const __m128i*>(Format::kSmall)));
  __m256i bits = _mm256_add_epi16(_mm256_slli_epi16(magnitude, Format::kShift),
                                  _mm256_set1_epi16(Format::kBias));
  // Bytes 2m and 2m + 1 of the small values.
  const __m256i bytes = _mm256_add_epi16(_mm256_mullo_epi16(magnitude, _mm256_set1_epi16(0x0202)),
                                         _mm256_set1_epi16(0x0100));
  bits = _mm256_blendv_epi8(bits, _mm256_shuffle_epi8(small, bytes),
                            _mm256_cmpgt_epi16(_mm256_set1_epi16(Format::kSmalls), magnitude));
  const __m256i special =
      _mm256_cmpgt_epi16(magnitude, _mm256_set1_epi16(Format::kFirstSpecial - 1));
  bits = _mm256_add_epi16(bits, _mm256_and_si256(special, _mm256_set1_epi16(Format::kSpecialBias)));
  const __m256i sign = _mm256_slli_epi16(_mm256_and_si256(word, _mm256_set1_epi16(0x80)), 8);
  return _mm256_castsi256_ps(_mm256_or_si256(bits, sign));
}
// kLanes bf16 as floats.
inline F load_bf16(const uint16_t* p) {
  const __m256i wide = _mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  return _mm256_castsi256_ps(_mm256_slli_epi32(wide, 16));
}
