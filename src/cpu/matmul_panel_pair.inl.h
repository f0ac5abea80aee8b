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
  static Word word(const std::byte* p, int64_t) { return load_u(p); }
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
  static Word word(const std::byte* p, int64_t) { return load_u(p); }
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
  static Word word(const std::byte* p, int64_t) { return load_u(p); }
  static U weight(Word w, int step) {
    const U low = as_u(to_f(w >> (8 * step) & 0xFFu));
    const U high = as_u(to_f(w >> (8 * step + 16) & 0xFFu));
    return low >> 16 | high;
  }
  static void store(std::byte* p, U weight) { store_f(p, as_f(weight)); }
};

// 5- and 6-bit codes, by the trick of PairCodes; the upper bits are put in apart.
template <int Bits>
struct PairWide : PairSource {
  static constexpr int kSteps = 8, kWordBytes = 4;
  static constexpr int64_t kRowBytes = WideWords<Bits>::kRowBytes;
  static constexpr float kBias = 1 << Bits;
  using Word = WideWords<Bits>;
  using Strip = PairBf16;
  static Word word(const std::byte* p, int64_t column) { return Word::load(p, column); }
  // Bits [from, from + count) of both halves, moved to bit `to`.
  template <int Count>
  static U moved(U w, int from, int to) {
    const uint32_t mask = ((1u << Count) - 1) << to;
    return (from < to ? w << (to - from) : w >> (from - to)) & (mask | mask << 16);
  }
  static U weight(const Word& w, int step) {
    constexpr int kLow = 7 - Bits;  // where a code begins in the mantissa
    constexpr uint32_t kPower = (127 + Bits) << 7;
    const U nibbles = moved<4>(step < 4 ? w.low : w.high, step % 4 * 4, kLow);
    const U upper = moved<Bits - 4>(w.upper, Word::upper_shift(step), kLow + 4);
    return nibbles | upper | (kPower | kPower << 16);
  }
  static void store(std::byte* p, U weight) { store_f(p, as_f(weight)); }
};

// 4-bit codes that name one of 16 values, all exact in bf16: vpermw looks up both of a pair.
template <const std::array<int8_t, 16>& Values>
struct PairTable : PairSource {
  static constexpr int kSteps = 4, kWordBytes = 4;
  static constexpr float kBias = 0;
  alignas(64) static constexpr std::array<uint16_t, 32> kTable = [] {
    std::array<uint16_t, 32> table{};
    for (size_t i = 0; i < 32; ++i) {
      const auto bits = std::bit_cast<uint32_t>(static_cast<float>(Values[i % 16]));
      table[i] = static_cast<uint16_t>(bits >> 16);
    }
    return table;
  }();
  using Word = U;
  using Strip = PairBf16;
  static Word word(const std::byte* p, int64_t) { return load_u(p); }
  static U weight(Word w, int step) {
    const U index = w >> (4 * step) & 0x000F000Fu;
    return (U)_mm512_permutexvar_epi16((__m512i)index, (__m512i)load_u(kTable.data()));
  }
  static void store(std::byte* p, U weight) { store_f(p, as_f(weight)); }
};

bool has_pairs(const Format& f) { return f.scheme != Scheme::dense || f.dtype == DType::bf16; }

template <class Engine>
void pair_codes_panel(const PanelTask& task) {
  switch (codes_of(task.product->w->format)) {
    case Codes::bits2:
      return codes_panel<PairCodes<2>, Engine>(task);
    case Codes::bits4:
      return codes_panel<PairCodes<4>, Engine>(task);
    case Codes::bits5:
      return codes_panel<PairWide<5>, Engine>(task);
    case Codes::bits6:
      return codes_panel<PairWide<6>, Engine>(task);
    case Codes::bits8:
      return codes_panel<PairCodes<8>, Engine>(task);
    case Codes::iq4:
      return codes_panel<PairTable<kIq4Values>, Engine>(task);
    case Codes::e2m1:
      return codes_panel<PairTable<kE2m1Values>, Engine>(task);
  }
}

void pair_panel(const PanelTask& task) {
  if (task.product->w->format.scheme == Scheme::dense) return dense_panel<PairBf16>(task);
  return pair_codes_panel<RegisterTiles>(task);
}
