// No #pragma once: vectors of AVX2 for matmul_panel.inl.h, included in a target region.
using F = __m256;
typedef uint32_t U __attribute__((vector_size(32)));
typedef int32_t S __attribute__((vector_size(32)));

// 16 registers: 12 sums, 2 weights, 1 element of x. One row alone takes a whole B row, so that it
// reads memory in order.
constexpr int kLanes = 8, kTileRows = 6;
// 8 sums, with codes, x and what a product of bytes takes on the way.
constexpr int kIntRows = 4, kIntCodeRows = 4;
constexpr int int_tile_vectors(int rows) { return rows == 1 ? 8 : rows == 2 ? 4 : 2; }
constexpr int tile_vectors(int rows) { return rows == 1 ? 8 : rows <= 3 ? 4 : 2; }

inline F zero_f() { return _mm256_setzero_ps(); }
inline F load_f(const void* p) { return _mm256_loadu_ps(static_cast<const float*>(p)); }
inline void store_f(void* p, F v) { _mm256_storeu_ps(static_cast<float*>(p), v); }
inline U load_u(const void* p) { return (U)_mm256_loadu_si256(static_cast<const __m256i*>(p)); }
inline U load_u16(const void* p) {
  return (U)_mm256_cvtepu16_epi32(_mm_loadu_si128(static_cast<const __m128i*>(p)));
}
inline U load_u8(const void* p) {
  return (U)_mm256_cvtepu8_epi32(_mm_loadl_epi64(static_cast<const __m128i*>(p)));
}
inline S load_i8(const void* p) {
  return (S)_mm256_cvtepi8_epi32(_mm_loadl_epi64(static_cast<const __m128i*>(p)));
}
inline F look_up(const float* table, U index) {  // of 16: both halves, bit 3 chooses
  const F low = _mm256_permutevar8x32_ps(_mm256_load_ps(table), (__m256i)index),
          high = _mm256_permutevar8x32_ps(_mm256_load_ps(table + 8), (__m256i)index);
  return _mm256_blendv_ps(low, high, (F)(index << 28));
}
inline F load_f16(const void* p) {
  return _mm256_cvtph_ps(_mm_loadu_si128(static_cast<const __m128i*>(p)));
}
inline F broadcast(const void* p) { return _mm256_broadcast_ss(static_cast<const float*>(p)); }
inline F as_f(U v) { return (F)v; }
inline U as_u(F v) { return (U)v; }
inline F to_f(U v) { return __builtin_convertvector((S)v, F); }
inline F to_f(S v) { return __builtin_convertvector(v, F); }
inline F fma(F a, F b, F c) { return _mm256_fmadd_ps(a, b, c); }
inline F fnma(F a, F b, F c) { return _mm256_fnmadd_ps(a, b, c); }
// 16 floats times `factor`, to the nearest integers of 8 bits.
inline __m128i round_bytes(const float* p, float factor) {
  const __m256 f = _mm256_set1_ps(factor);
  const __m256i a = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(p), f)),
                b = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(p + 8), f));
  return _mm_packs_epi16(
      _mm_packs_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1)),
      _mm_packs_epi32(_mm256_castsi256_si128(b), _mm256_extracti128_si256(b, 1)));
}
inline U look_up_bytes(const uint8_t* table, U index) {
  const __m128i bytes = _mm_load_si128(reinterpret_cast<const __m128i*>(table));
  return (U)_mm256_shuffle_epi8(_mm256_broadcastsi128_si256(bytes), (__m256i)index);
}
inline float add_lanes(F v) {
  __m128 s = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  s = _mm_add_ps(s, _mm_movehl_ps(s, s));
  return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}
inline void store_bf16(void*, F) {}  // no kernel of this ISA reads bf16
// To L2.
inline void prefetch(const void* p) { _mm_prefetch(static_cast<const char*>(p), _MM_HINT_T1); }
