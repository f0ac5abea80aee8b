// No #pragma once: round_unit of matmul_int8.inl.h over round_bytes of the ISA.

inline __m128i byte_order(int64_t inputs_of_word) {
  if (inputs_of_word == 4)
    return _mm_setr_epi8(0, 2, 1, 3, 4, 6, 5, 7, 8, 10, 9, 11, 12, 14, 13, 15);
  if (inputs_of_word == 8)
    return _mm_setr_epi8(0, 4, 1, 5, 2, 6, 3, 7, 8, 12, 9, 13, 10, 14, 11, 15);
  return _mm_setr_epi8(0, 8, 1, 9, 2, 10, 3, 11, 4, 12, 5, 13, 6, 14, 7, 15);
}

inline int32_t round_unit(std::span<const float> x, float inverse, int64_t inputs_of_word,
                          std::byte* out) {
  const __m128i order = byte_order(inputs_of_word), flip = _mm_set1_epi8(-128);
  const auto count = static_cast<int64_t>(x.size());
  __m128i sums = _mm_setzero_si128();
  for (int64_t i = 0; i < count; i += 16) {
    const __m128i bytes = round_bytes(x.data() + i, inverse);
    // Σ of a + 128, unsigned.
    sums = _mm_add_epi64(sums, _mm_sad_epu8(_mm_xor_si128(bytes, flip), _mm_setzero_si128()));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out + i), _mm_shuffle_epi8(bytes, order));
  }
  return static_cast<int32_t>(_mm_cvtsi128_si64(sums) + _mm_extract_epi64(sums, 1) - 128 * count);
}
