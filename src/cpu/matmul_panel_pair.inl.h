// No #pragma once: the Sources of vdpbf16ps, whose element of x is a pair of bf16. Included after
// matmul_panel.inl.h.

struct PairSource {
  using X = F;
  static X x(const std::byte* p) { return broadcast(p); }
  static F add(F sum, X x, U weight) {
    return _mm512_dpbf16_ps(sum, (__m512bh)x, (__m512bh)weight);
  }
};

struct PairBf16 : PairSource {
  static constexpr int kSteps = 1, kWordBytes = 4;
  using Word = U;
  static Word word(const std::byte* p) { return load_u(p); }
  static U weight(Word w, int) { return w; }
};

// 2- and 4-bit codes become bf16 by writing them into the upper mantissa bits of 2^Bits: shift,
// and, or give 2^Bits + code exactly. The group's offset takes 2^Bits out again.
template <int Bits>
struct PairCodes : PairSource {
  static constexpr int kSteps = 16 / Bits, kWordBytes = 4;
  static constexpr float kBias = 1 << Bits;
  using Word = U;
  using Strip = PairBf16;
  static Word word(const std::byte* p) { return load_u(p); }
  static U weight(Word w, int step) {
    constexpr uint32_t kMask = ((1u << Bits) - 1) << (7 - Bits);
    constexpr uint32_t kPower = (127 + Bits) << 7;
    const int shift = Bits * step - (7 - Bits);
    const U moved = shift < 0 ? w << -shift : w >> shift;
    return (moved & (kMask | kMask << 16)) | (kPower | kPower << 16);
  }
  static void store(std::byte* p, U weight) { store_f(p, as_f(weight)); }
};

// 8-bit codes need all 8 bits of bf16's significand, so they go through float: its low half is 0.
template <>
struct PairCodes<8> : PairSource {
  static constexpr int kSteps = 2, kWordBytes = 4;
  static constexpr float kBias = 0;
  using Word = U;
  using Strip = PairBf16;
  static Word word(const std::byte* p) { return load_u(p); }
  static U weight(Word w, int step) {
    const U low = as_u(to_f(w >> (8 * step) & 0xFFu));
    const U high = as_u(to_f(w >> (8 * step + 16) & 0xFFu));
    return low >> 16 | high;
  }
  static void store(std::byte* p, U weight) { store_f(p, as_f(weight)); }
};

bool has_pairs(const Format& f) { return f.scheme == Scheme::affine || f.dtype == DType::bf16; }

void pair_panel(const PanelTask& task) {
  const Format& f = task.product->w->format;
  if (f.scheme == Scheme::dense) return dense_panel<PairBf16>(task);
  const int bits = stored_bits(f.bits);
  if (bits == 2) return codes_panel<PairCodes<2>>(task);
  if (bits == 4) return codes_panel<PairCodes<4>>(task);
  return codes_panel<PairCodes<8>>(task);
}
