// Attention over an int8 cache by vpdpbusd: whole numbers throughout. A query (times scale) becomes
// 16 bits, 256 · high + low with signed bytes, and a tile's weights (probability · scale of the
// value) 16 bits with unsigned bytes: 8 bits would lose what little each of many tokens adds beside
// one that dominates its tile. Two vpdpbusd for 64 elements and a row: half of what vdpbf16ps
// needs for them, and no unpacking. Included inside a target region with AVX512-VNNI, behind
// attention_tile.inl.h.

struct Int8Dot {
  struct Sum {
    __m512i high, low;
  };
  using Factor = int32_t;  // high bytes of four elements, then their low bytes
  static constexpr int64_t kPack = 4, kFactors = 2, kLaneBytes = 4;
  static constexpr bool kScaled = true, kInteger = true;
  static constexpr int kRowTile = 4;  // 16 sums
  static Sum zero() { return {_mm512_setzero_si512(), _mm512_setzero_si512()}; }
  static F load_key(const std::byte* p) { return load(reinterpret_cast<const float*>(p)); }
  static F load_value(const std::byte* p) { return load_key(p); }
  static F rounded(F v) { return v; }

  // Keys are unsigned (code + 128), queries signed.
  template <int kRows>
  static inline void accumulate_keys(Sum (&sums)[kRows][2], F k0, F k1, const Factor* factors,
                                     int64_t stride) {
    const __m512i keys[2] = {_mm512_castps_si512(k0), _mm512_castps_si512(k1)};
    OCTAVO_UNROLL
    for (int r = 0; r < kRows; ++r) {
      const __m512i high = _mm512_set1_epi32(factors[r * stride]);
      const __m512i low = _mm512_set1_epi32(factors[r * stride + 1]);
      OCTAVO_UNROLL
      for (int v = 0; v < 2; ++v) {
        sums[r][v].high = _mm512_dpbusd_epi32(sums[r][v].high, keys[v], high);
        sums[r][v].low = _mm512_dpbusd_epi32(sums[r][v].low, keys[v], low);
      }
    }
  }

  // Weights are unsigned, values signed.
  template <int kRows>
  static inline void accumulate_values(Sum (&sums)[kRows][2], F v0, F v1, const Factor* factors,
                                       int64_t stride) {
    const __m512i values[2] = {_mm512_castps_si512(v0), _mm512_castps_si512(v1)};
    OCTAVO_UNROLL
    for (int r = 0; r < kRows; ++r) {
      const __m512i high = _mm512_set1_epi32(factors[r * stride]);
      const __m512i low = _mm512_set1_epi32(factors[r * stride + 1]);
      OCTAVO_UNROLL
      for (int v = 0; v < 2; ++v) {
        sums[r][v].high = _mm512_dpbusd_epi32(sums[r][v].high, high, values[v]);
        sums[r][v].low = _mm512_dpbusd_epi32(sums[r][v].low, low, values[v]);
      }
    }
  }

  // A packed query ends with 128 · Σ of its 16-bit codes (what the offset of the keys added) and
  // its scale. Sums pass 2^31 on the way, but the result does not: it may wrap.
  static F score(const Sum& sum, const Factor* row, int64_t stride) {
    const __m512i both = _mm512_add_epi32(_mm512_slli_epi32(sum.high, 8), sum.low);
    const __m512i exact = _mm512_sub_epi32(both, _mm512_set1_epi32(row[stride - 2]));
    return mul(_mm512_cvtepi32_ps(exact), set(std::bit_cast<float>(row[stride - 1])));
  }
  static F output(const Sum& sum, float scale) {
    const F high = mul(_mm512_cvtepi32_ps(sum.high), set(256.0f));
    return mul(add(high, _mm512_cvtepi32_ps(sum.low)), set(scale));
  }

  // The high bytes of 16 codes in steps of four with their low bytes.
  static void store_limbs(Factor* to, __m512i high, __m512i low) {
    const __m128i h = _mm512_cvtepi32_epi8(high), l = _mm512_cvtepi32_epi8(low);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm_unpacklo_epi32(h, l));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to + 4), _mm_unpackhi_epi32(h, l));
  }

  // x · scale, `count` elements, as a packed query of `stride` factors.
  static void quantize_query(const float* x, int64_t count, float scale, Factor* to,
                             int64_t stride) {
    constexpr float kLargest = 32639;  // 127 · 256 + 127
    F most = set(0), sum = set(0);
    for_vectors(0, count, [&](int64_t i, int64_t lanes) {
      const F v = load_some(x + i, lanes);
      most = max(most, abs(v));
      sum = add(sum, v);
    });
    const float largest = reduce_max(most);
    const F inverse = set(largest > 1e-30f ? kLargest / largest : 0.0f);
    __m512i codes = _mm512_setzero_si512();
    for_vectors(0, count, [&](int64_t i, int64_t lanes) {
      const __m512i code = _mm512_cvtps_epi32(mul(load_some(x + i, lanes), inverse));
      codes = _mm512_add_epi32(codes, code);
      const __m512i high = _mm512_srai_epi32(_mm512_add_epi32(code, _mm512_set1_epi32(128)), 8);
      store_limbs(to + i / kPack * kFactors, high, code);
    });
    to[stride - 2] = 128 * _mm512_reduce_add_epi32(codes);
    // 0 · Σ: NaN where an element is not finite.
    to[stride - 1] = std::bit_cast<int32_t>(scale * largest / kLargest + 0 * reduce_add(sum));
  }

  // Weights of [begin, end) to 16 bits over their maximum, in place; returns the scale.
  static float quantize_weights(float* weights, const Seen& seen) {
    constexpr float kLargest = 65535;
    F most = set(0), sum = set(0);
    for (int64_t t = seen.begin; t < seen.end; t += kLanes) {
      most = max(most, load(weights + t));
      sum = add(sum, load(weights + t));
    }
    const float largest = reduce_max(most);
    const F inverse = set(largest > 1e-30f ? kLargest / largest : 0.0f);
    auto* const to = reinterpret_cast<Factor*>(weights);
    for (int64_t t = seen.begin; t < seen.end; t += kLanes) {
      const __m512i code = _mm512_cvtps_epi32(mul(load(weights + t), inverse));
      store_limbs(to + t / kPack * kFactors, _mm512_srli_epi32(code, 8), code);
    }
    return largest / kLargest + 0 * reduce_add(sum);
  }
};
