// What the vectors of AVX2 and AVX-512 have in common; see simd.h. Included inside a target region.

// Into the second-level cache.
inline void fetch_line(const void* p) { _mm_prefetch(static_cast<const char*>(p), _MM_HINT_T1); }

// Four lines of four floats, turned: float i of the lines to to[i · width ..].
inline void turn_four(const float* from, int64_t stride, float* to, int64_t width) {
  __m128 a = _mm_loadu_ps(from), b = _mm_loadu_ps(from + stride);
  __m128 c = _mm_loadu_ps(from + 2 * stride), d = _mm_loadu_ps(from + 3 * stride);
  _MM_TRANSPOSE4_PS(a, b, c, d);
  _mm_storeu_ps(to, a);
  _mm_storeu_ps(to + width, b);
  _mm_storeu_ps(to + 2 * width, c);
  _mm_storeu_ps(to + 3 * width, d);
}
