// Attention products by vdpbf16ps: both factors bf16, sums of pairs in float. Queries (times scale)
// and probabilities are rounded to bf16 as the cache was; the sum of probabilities takes them as
// rounded, so weights still add up to one. Half the multiplications of Bf16Kv and no unpacking.
// Included inside a target region with AVX512-BF16, behind attention_tile.inl.h.

struct Bf16Dot : Bf16Kv {
  using Factor = int32_t;  // a pair of bf16
  static constexpr int64_t kFactors = 1;
  static void store_factors(Factor* to, F v) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), (__m256i)_mm512_cvtneps_pbh(v));
  }
  static F rounded(F v) {
    const __m512i wide = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(v));
    return _mm512_castsi512_ps(_mm512_slli_epi32(wide, 16));
  }

  template <int kRows>
  static inline void accumulate(F (&sums)[kRows][2], F v0, F v1, const Factor* factors,
                                int64_t stride) {
    OCTAVO_UNROLL
    for (int r = 0; r < kRows; ++r) {
      const auto factor = (__m512bh)_mm512_set1_epi32(factors[r * stride]);
      sums[r][0] = _mm512_dpbf16_ps(sums[r][0], (__m512bh)v0, factor);
      sums[r][1] = _mm512_dpbf16_ps(sums[r][1], (__m512bh)v1, factor);
    }
  }
};
