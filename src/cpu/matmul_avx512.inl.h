// No #pragma once: vectors of AVX-512 for matmul_panel.inl.h, included in a target region.
using F = __m512;
typedef uint32_t U __attribute__((vector_size(64)));
typedef int32_t S __attribute__((vector_size(64)));

constexpr int kLanes = 16, kTileRows = 6;
constexpr int tile_vectors(int) { return 4; }
// 24 sums, 4 vectors of bytes, 1 of x and a mask.
constexpr int kIntRows = 6, kIntCodeRows = 6;
constexpr int int_tile_vectors(int) { return 4; }

inline F zero_f() { return _mm512_setzero_ps(); }
inline F load_f(const void* p) { return _mm512_loadu_ps(p); }
inline void store_f(void* p, F v) { _mm512_storeu_ps(p, v); }
inline U load_u(const void* p) { return (U)_mm512_loadu_si512(p); }
inline U load_u16(const void* p) {
  return (U)_mm512_cvtepu16_epi32(_mm256_loadu_si256(static_cast<const __m256i*>(p)));
}
inline U load_u8(const void* p) {
  return (U)_mm512_cvtepu8_epi32(_mm_loadu_si128(static_cast<const __m128i*>(p)));
}
inline S load_i8(const void* p) {
  return (S)_mm512_cvtepi8_epi32(_mm_loadu_si128(static_cast<const __m128i*>(p)));
}
inline F look_up(const float* table, U index) {  // of 16
  return _mm512_permutexvar_ps((__m512i)index, _mm512_load_ps(table));
}
inline F load_f16(const void* p) {
  return _mm512_cvtph_ps(_mm256_loadu_si256(static_cast<const __m256i*>(p)));
}
inline F broadcast(const void* p) { return _mm512_set1_ps(*static_cast<const float*>(p)); }
inline F as_f(U v) { return (F)v; }
inline U as_u(F v) { return (U)v; }
inline F to_f(U v) { return __builtin_convertvector((S)v, F); }
inline F to_f(S v) { return __builtin_convertvector(v, F); }
inline F fma(F a, F b, F c) { return _mm512_fmadd_ps(a, b, c); }
inline F fnma(F a, F b, F c) { return _mm512_fnmadd_ps(a, b, c); }
// 16 floats times `factor`, to the nearest integers of 8 bits.
inline __m128i round_bytes(const float* p, float factor) {
  return _mm512_cvtsepi32_epi8(
      _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_loadu_ps(p), _mm512_set1_ps(factor))));
}
inline U look_up_bytes(const uint8_t* table, U index) {
  const __m128i bytes = _mm_load_si128(reinterpret_cast<const __m128i*>(table));
  return (U)_mm512_shuffle_epi8(_mm512_broadcast_i32x4(bytes), (__m512i)index);
}
inline float add_lanes(F v) { return _mm512_reduce_add_ps(v); }
// Upper halves of the lanes.
inline void store_bf16(void* p, F v) {
  _mm256_storeu_si256(static_cast<__m256i*>(p),
                      _mm512_cvtepi32_epi16(_mm512_srli_epi32((__m512i)v, 16)));
}
// To L2.
inline void prefetch(const void* p) { _mm_prefetch(static_cast<const char*>(p), _MM_HINT_T1); }
