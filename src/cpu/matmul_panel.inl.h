// No #pragma once: included in the target region and namespace of each ISA, after the vector
// functions F, U, kLanes, load_f, ... of that ISA and
//   constexpr int kTileRows;                  rows of x in the largest register tile
//   constexpr int tile_vectors(int rows);     vectors of outputs in a tile of that many rows
//
// The inner loops of a product. A register tile is Rows x (Vectors · kLanes) sums that walk down
// the B rows of a panel; each weight vector, handed out by a Source, meets one broadcast element of
// every row of x. Every tile shape adds in the order of k, and sums that leave the registers do so
// as floats, so neither blocking nor the number of rows changes a bit.

// One range of K for `rows` x 64 sums.
struct Segment {
  const std::byte* b = nullptr;  // first B row
  int64_t b_rows = 0;
  const std::byte* x = nullptr;  // row 0, at the first input of the range
  int64_t x_stride_bytes = 0;
  int64_t rows = 0;
  float* sums = nullptr;  // [rows][64]
  bool start = true;      // sums begin at 0 instead of going on
  // The block of rows at `ahead_row`, the second, finds B in the caches and fetches what lies
  // `ahead_bytes` further in the panel, so that the first block of the next segment finds it too.
  // 0: nothing.
  int64_t ahead_bytes = 0, ahead_row = 0;

  // Codes, at the end of a group: totals += scale · (sums - offset · sum of x); else totals is
  // null.
  float* totals = nullptr;  // [rows][64]
  bool first_group = true;
  const float* scale = nullptr;    // [64]
  const float* offset = nullptr;   // [64]: zero point + what a Source's weight exceeds its code by
  const float* minimum = nullptr;  // [64]: totals -= minimum · sum of x, after that; null: none
  const float* x_sums = nullptr;   // row 0; then every x_sums_stride
  int64_t x_sums_stride = 0;
};

// ---- Sources: the weights of a B row as kSteps vectors per 16 or 8 outputs, each to be multiplied
// with one element of x (4 bytes). word(p, column) reads what lies at `column`; p is that place
// where all words are of kWordBytes.

template <class Source>
constexpr int64_t b_row_bytes() {
  if constexpr (requires { Source::kRowBytes; }) return Source::kRowBytes;
  return kPanel * Source::kWordBytes;
}

struct FloatSource {
  using X = F;
  using Element = float;
  static X x(const std::byte* p) { return broadcast(p); }
  static F add(F sum, X x, F weight) { return fma(x, weight, sum); }
};

struct DenseF32 : FloatSource {
  static constexpr int kSteps = 1, kWordBytes = 4;
  using Word = F;
  static Word word(const std::byte* p, int64_t) { return load_f(p); }
  static F weight(Word w, int) { return w; }
};

struct DenseF16 : FloatSource {
  static constexpr int kSteps = 1, kWordBytes = 2;
  using Word = F;
  static Word word(const std::byte* p, int64_t) { return load_f16(p); }
  static F weight(Word w, int) { return w; }
};

struct DenseBf16 : FloatSource {
  static constexpr int kSteps = 2, kWordBytes = 4;
  using Word = U;
  static Word word(const std::byte* p, int64_t) { return load_u(p); }
  static F weight(Word w, int step) { return as_f(step == 0 ? w << 16 : w & 0xFFFF0000u); }
};

template <int Bits>
struct FloatCodes : FloatSource {
  static constexpr int kSteps = 32 / Bits, kWordBytes = 4;
  static constexpr float kBias = 0;
  using Word = U;
  using Strip = DenseF32;  // an unpacked B row is kSteps rows of this
  static Word word(const std::byte* p, int64_t) { return load_u(p); }
  static F weight(Word w, int step) {
    return to_f(w >> (step % 2 * 16 + step / 2 * Bits) & ((1u << Bits) - 1));
  }
  static void store(std::byte* p, F weight) { store_f(p, weight); }
};

// 5- and 6-bit codes: nibbles of 16 inputs, then their upper bits (panels.h).
template <int Bits>
struct WideWords {
  U low, high, upper;

  static constexpr int64_t kNibbleBytes = 2 * kPanel * 4;
  static constexpr int64_t kRowBytes = kNibbleBytes + kPanel * (Bits == 6 ? 4 : 2);

  static WideWords load(const std::byte* p, int64_t column) {
    WideWords words{load_u(p), load_u(p + kPanel * 4), {}};
    if constexpr (Bits == 6) {
      words.upper = load_u(p + kNibbleBytes);
    } else {
      const U fifth = load_u16(p - column * 2 + kNibbleBytes);
      const U halves = (fifth & 0xFFu) | (fifth & 0xFF00u) << 8;
      words.upper = (halves & 0x000F000Fu) | (halves & 0x00F000F0u) << 4;
    }
    return words;
  }
  // Where, in its half of `upper`, the bits of inputs 2i and 2i + 1 lie.
  static constexpr int upper_shift(int i) {
    const int step = i / 4 * 2 + i % 2;
    return i % 4 / 2 * 8 + step * (Bits - 4);
  }
  // The upper bits of the bytes of step 0 to 3, in place.
  U upper_bytes(int step) const {
    constexpr uint32_t kMask = 0x01010101u * (((1u << (Bits - 4)) - 1) << 4);
    const int shift = step * (Bits - 4) - 4;
    return (shift < 0 ? upper << -shift : upper >> shift) & kMask;
  }
};

template <int Bits>
struct FloatWide : FloatSource {
  static constexpr int kSteps = 16, kWordBytes = 4;
  static constexpr int64_t kRowBytes = WideWords<Bits>::kRowBytes;
  static constexpr float kBias = 0;
  using Word = WideWords<Bits>;
  using Strip = DenseF32;
  static Word word(const std::byte* p, int64_t column) { return Word::load(p, column); }
  static F weight(const Word& w, int step) {
    const U nibbles = (step < 8 ? w.low : w.high) >> (step % 2 * 16 + step % 8 / 2 * 4) & 15u;
    const int shift = step % 2 * 16 + Word::upper_shift(step / 2);
    const U upper = w.upper >> shift & ((1u << (Bits - 4)) - 1);
    return to_f(nibbles | upper << 4);
  }
  static void store(std::byte* p, F weight) { store_f(p, weight); }
};

// 4-bit codes that name one of 16 values.
template <const std::array<int8_t, 16>& Values>
struct FloatTable : FloatSource {
  static constexpr int kSteps = 8, kWordBytes = 4;
  static constexpr float kBias = 0;
  alignas(64) static constexpr std::array<float, 16> kTable = [] {
    std::array<float, 16> table{};
    for (size_t i = 0; i < 16; ++i) table[i] = Values[i];
    return table;
  }();
  using Word = U;
  using Strip = DenseF32;
  static Word word(const std::byte* p, int64_t) { return load_u(p); }
  static F weight(Word w, int step) {
    return look_up(kTable.data(), w >> (step % 2 * 16 + step / 2 * 4) & 15u);
  }
  static void store(std::byte* p, F weight) { store_f(p, weight); }
};

// ---- Register tiles.

// Without the unroll pragmas GCC keeps the arrays of a tile in memory.
template <int Rows, int Vectors>
inline void finish_group(const Segment& s, int64_t row, int column, F (&sums)[Rows][Vectors]) {
  // Read once: the stores below could change them for all that the compiler knows.
  float* const totals = s.totals + row * kPanel + column;
  const float* const x_sums = s.x_sums + row * s.x_sums_stride;
  const int64_t stride = s.x_sums_stride;
  const float *const scales = s.scale + column, *const offsets = s.offset + column;
  const float* const minima = s.minimum == nullptr ? nullptr : s.minimum + column;
  const bool first = s.first_group;
#pragma GCC unroll 8
  for (int v = 0; v < Vectors; ++v) {
    const F scale = load_f(scales + v * kLanes), offset = load_f(offsets + v * kLanes);
#pragma GCC unroll 8
    for (int r = 0; r < Rows; ++r) {
      float* const total = totals + r * kPanel + v * kLanes;
      const F result = fnma(offset, broadcast(x_sums + r * stride), sums[r][v]);
      F sum = fma(scale, result, first ? zero_f() : load_f(total));
      if (minima != nullptr)
        sum = fnma(load_f(minima + v * kLanes), broadcast(x_sums + r * stride), sum);
      store_f(total, sum);
    }
  }
}

template <int Rows, int Vectors>
inline void load_sums(const float* kept, F (&sums)[Rows][Vectors]) {
#pragma GCC unroll 8
  for (int r = 0; r < Rows; ++r) {
#pragma GCC unroll 8
    for (int v = 0; v < Vectors; ++v)
      sums[r][v] = kept == nullptr ? zero_f() : load_f(kept + r * kPanel + v * kLanes);
  }
}

template <int Rows, int Vectors>
inline void store_sums(const F (&sums)[Rows][Vectors], float* kept) {
#pragma GCC unroll 8
  for (int r = 0; r < Rows; ++r) {
#pragma GCC unroll 8
    for (int v = 0; v < Vectors; ++v) store_f(kept + r * kPanel + v * kLanes, sums[r][v]);
  }
}

template <class Source, int Rows, int Vectors>
inline void add_b_row(const std::byte* b, int64_t column, const std::byte* const (&x)[Rows],
                      int64_t x_byte, F (&sums)[Rows][Vectors]) {
  typename Source::Word words[Vectors];
#pragma GCC unroll 8
  for (int v = 0; v < Vectors; ++v)
    words[v] = Source::word(b + v * kLanes * Source::kWordBytes, column + v * kLanes);
#pragma GCC unroll 16
  for (int step = 0; step < Source::kSteps; ++step) {
    decltype(Source::weight(words[0], 0)) weights[Vectors];
#pragma GCC unroll 8
    for (int v = 0; v < Vectors; ++v) weights[v] = Source::weight(words[v], step);
#pragma GCC unroll 8
    for (int r = 0; r < Rows; ++r) {
      const auto element = Source::x(x[r] + x_byte + step * 4);
#pragma GCC unroll 8
      for (int v = 0; v < Vectors; ++v) sums[r][v] = Source::add(sums[r][v], element, weights[v]);
    }
  }
}

template <class Source, int Rows, int Vectors>
inline void tile(const Segment& s, int64_t row, int column) {
  F sums[Rows][Vectors];
  float* const kept = s.sums + row * kPanel + column;
  load_sums(s.start ? nullptr : kept, sums);
  const std::byte* x[Rows];
#pragma GCC unroll 8
  for (int r = 0; r < Rows; ++r) x[r] = s.x + (row + r) * s.x_stride_bytes;
  constexpr int64_t kRowBytes = b_row_bytes<Source>();
  const std::byte* b = s.b + column * Source::kWordBytes;
  const int64_t ahead = Rows > 2 && row == s.ahead_row ? s.ahead_bytes : 0;
  for (int64_t i = 0; i < s.b_rows; ++i, b += kRowBytes) {
    if (ahead != 0) {
#pragma GCC unroll 8
      for (int line = 0; line < Vectors * kLanes * Source::kWordBytes; line += 64)
        prefetch(b + ahead + line);
    }
    add_b_row<Source>(b, column, x, i * Source::kSteps * 4, sums);
  }
  if (s.totals != nullptr) {
    finish_group(s, row, column, sums);
  } else {
    store_sums(sums, kept);
  }
}

template <class Source, int Rows>
void row_block(const Segment& s, int64_t row) {
  constexpr int kVectors = tile_vectors(Rows);
  for (int column = 0; column < kPanel; column += kVectors * kLanes)
    tile<Source, Rows, kVectors>(s, row, column);
}

// All rows of a segment in blocks as equal as can be.
template <class Source>
void run_segment(const Segment& s) {
  const int64_t blocks = (s.rows + kTileRows - 1) / kTileRows;
  for (int64_t i = 0; i < blocks; ++i) {
    const int64_t begin = s.rows * i / blocks, end = s.rows * (i + 1) / blocks;
    switch (end - begin) {
      case 1:
        row_block<Source, 1>(s, begin);
        break;
      case 2:
        row_block<Source, 2>(s, begin);
        break;
      case 3:
        row_block<Source, 3>(s, begin);
        break;
      case 4:
        row_block<Source, 4>(s, begin);
        break;
      case 5:
        row_block<Source, 5>(s, begin);
        break;
      default:
        row_block<Source, 6>(s, begin);
    }
  }
}

// What carries out segments; AMX has another one.
struct RegisterTiles {
  static constexpr int64_t kRows = kTileRows;  // of the largest block
  static constexpr bool kReadsCodes = true;    // else codes are always unpacked first
  template <class Source>
  static void run(const Segment& s) {
    run_segment<Source>(s);
  }
};

// ---- Panels.

struct Tiles {
  float *sums, *totals;  // [rows][64]
  std::byte* strip;      // kStripInputs x 64 weights

  explicit Tiles(std::byte* scratch)
      : sums(reinterpret_cast<float*>(scratch)),
        totals(reinterpret_cast<float*>(scratch + kTileBytes)),
        strip(scratch + 2 * kTileBytes) {}
};

template <class Source, class Engine = RegisterTiles>
void dense_panel(const PanelTask& task) {
  const Tiles tiles(task.scratch);
  const std::byte* const panel = task.product->w->data.data() + task.panel * task.shape.bytes();
  const std::byte* const x = task.x.data + task.row * task.x.stride_bytes;
  const int64_t all = task.shape.rows();
  // With more than one block of rows, a block of B that stays in the near caches.
  const int64_t step =
      task.rows > Engine::kRows ? kDenseBlockInputs / task.shape.inputs_per_row : all;
  for (int64_t row = 0; row < all; row += step) {
    const int64_t blocks = (task.rows + Engine::kRows - 1) / Engine::kRows;
    Engine::template run<Source>({.b = panel + row * task.shape.row_bytes,
                                  .b_rows = std::min(step, all - row),
                                  .x = x + row * Source::kSteps * 4,
                                  .x_stride_bytes = task.x.stride_bytes,
                                  .rows = task.rows,
                                  .sums = tiles.sums,
                                  .start = row == 0,
                                  .ahead_bytes = blocks > 1 ? step * task.shape.row_bytes : 0,
                                  .ahead_row = task.rows / blocks});
  }
  write_panel(task, tiles.sums);
}

// 64 scales of an affine matrix from element `at` on, as floats.
void load_scales(const Weight& w, int64_t at, float* scale) {
  const int64_t size = w.format.dtype == DType::f32 ? 4 : 2;
  const std::byte* const scales = w.scales.data() + at * size;
  for (int i = 0; i < kPanel; i += kLanes) {
    const std::byte* const p = scales + i * size;
    const F value = w.format.dtype == DType::f32   ? load_f(p)
                    : w.format.dtype == DType::f16 ? load_f16(p)
                                                   : as_f(load_u16(p) << 16);
    store_f(scale + i, value);
  }
}

// Scales of group `index` (counted over all panels) as floats, and zero points plus `bias`.
void load_group(const Weight& w, int64_t index, float bias, float* scale, float* offset) {
  load_scales(w, index * kPanel, scale);
  const std::byte* const zeros = w.zeros.data() + index * kPanel;
  for (int i = 0; i < kPanel; i += kLanes) store_f(offset + i, to_f(load_u8(zeros + i)) + bias);
}

F load_scale(DType type, const std::byte* p) {
  return type == DType::f16 ? load_f16(p) : as_f(load_u16(p) << 16);
}

// What finish_group needs of one group of a panel, 64 outputs each.
struct GroupNumbers {
  alignas(64) float scale[kPanel], offset[kPanel], minimum[kPanel];
  bool has_minimum = false;
};

// Of a block format: scales and minima times the group's factors.
void load_block_group(const Weight& w, const PanelTask& task, int64_t group, float bias,
                      GroupNumbers& numbers) {
  const BlockTraits& t = traits(w.format.block);
  const BlockScales shape = block_scales(w.format);
  const int64_t groups = task.shape.groups, blocks = groups / shape.group_blocks;
  const std::byte* const scales =
      w.scales.data() +
      (task.panel * blocks + group / shape.group_blocks) * shape.scales * kPanel * 2;
  const std::byte* const factors =
      w.zeros.data() + (task.panel * groups + group) * shape.factors * kPanel;
  const float offset = static_cast<float>(t.zero) + bias;
  numbers.has_minimum = t.minimum;
  for (int i = 0; i < kPanel; i += kLanes) {
    F scale = load_scale(w.format.dtype, scales + i * 2);
    if (t.sub_scales) scale = scale * to_f(load_i8(factors + i));
    store_f(numbers.scale + i, scale);
    store_f(numbers.offset + i, zero_f() + offset);
    if (!t.minimum) continue;
    F minimum = load_scale(w.format.dtype, scales + (kPanel + i) * 2);
    if (t.sub_scales) minimum = minimum * to_f(load_i8(factors + kPanel + i));
    store_f(numbers.minimum + i, minimum);
  }
}

template <class Source>
void unpack_strip(const std::byte* b, int64_t b_rows, std::byte* strip) {
  for (int64_t row = 0; row < b_rows; ++row, b += b_row_bytes<Source>()) {
    for (int v = 0; v < kPanel / kLanes; ++v) {
      const auto word = Source::word(b + v * kLanes * 4, v * kLanes);
#pragma GCC unroll 16
      for (int step = 0; step < Source::kSteps; ++step) {
        Source::store(strip + ((row * Source::kSteps + step) * kPanel + v * kLanes) * 4,
                      Source::weight(word, step));
      }
    }
  }
}

template <class Source, class Engine = RegisterTiles>
void codes_panel(const PanelTask& task) {
  using Strip = typename Source::Strip;
  const Tiles tiles(task.scratch);
  const Weight& w = *task.product->w;
  const std::byte* const panel = w.data.data() + task.panel * task.shape.bytes();
  const int64_t groups = task.shape.groups, group_rows = task.shape.rows() / groups;
  const int64_t step_rows = kStripInputs / task.shape.inputs_per_row;
  GroupNumbers numbers;
  for (int64_t g = 0; g < groups; ++g) {
    if (w.format.scheme == Scheme::block) {
      load_block_group(w, task, g, Source::kBias, numbers);
    } else {
      load_group(w, task.panel * groups + g, Source::kBias, numbers.scale, numbers.offset);
    }
    for (int64_t done = 0; done < group_rows; done += step_rows) {
      const int64_t row = g * group_rows + done;
      Segment s{.b = panel + row * task.shape.row_bytes,
                .b_rows = std::min(step_rows, group_rows - done),
                .x = task.x.data + task.row * task.x.stride_bytes + row * Source::kSteps * 4,
                .x_stride_bytes = task.x.stride_bytes,
                .rows = task.rows,
                .sums = tiles.sums,
                .start = done == 0,
                .totals = done + step_rows >= group_rows ? tiles.totals : nullptr,
                .first_group = g == 0,
                .scale = numbers.scale,
                .offset = numbers.offset,
                .minimum = numbers.has_minimum ? numbers.minimum : nullptr,
                .x_sums = task.x.sums + task.row * groups + g,
                .x_sums_stride = groups};
      if constexpr (Engine::kReadsCodes) {
        if (task.rows <= Engine::kRows) {
          Engine::template run<Source>(s);
          continue;
        }
      }
      unpack_strip<Source>(s.b, s.b_rows, tiles.strip);
      s.b = tiles.strip;
      s.b_rows *= Source::kSteps / Strip::kSteps;
      Engine::template run<Strip>(s);
    }
  }
  write_panel(task, tiles.totals);
}

// The panel of any format under float products.
void float_panel(const PanelTask& task) {
  const Format& f = task.product->w->format;
  if (f.scheme == Scheme::dense) {
    if (f.dtype == DType::bf16) return dense_panel<DenseBf16>(task);
    if (f.dtype == DType::f16) return dense_panel<DenseF16>(task);
    return dense_panel<DenseF32>(task);
  }
  switch (codes_of(f)) {
    case Codes::bits2:
      return codes_panel<FloatCodes<2>>(task);
    case Codes::bits4:
      return codes_panel<FloatCodes<4>>(task);
    case Codes::bits5:
      return codes_panel<FloatWide<5>>(task);
    case Codes::bits6:
      return codes_panel<FloatWide<6>>(task);
    case Codes::bits8:
      return codes_panel<FloatCodes<8>>(task);
    case Codes::iq4:
      return codes_panel<FloatTable<kIq4Values>>(task);
    case Codes::e2m1:
      return codes_panel<FloatTable<kE2m1Values>>(task);
  }
}

// ---- x.

// Rounds to bf16 as base/half.h does; the result's low half is 0.
inline U round_bf16(F v) {
  const U bits = as_u(v);
  const U rounded = bits + 0x7FFFu + (bits >> 16 & 1u);
  const U nan = bits | 0x400000u;
  return ((bits & 0x7FFFFFFFu) > 0x7F800000u ? nan : rounded) & 0xFFFF0000u;
}

void float_row(const XRowTask& t) noexcept {
  const float* x = t.x;
  if (t.order != nullptr || t.in < t.inputs) {
    for (int64_t k = 0; k < t.in; ++k) t.gathered[k] = t.x[t.order != nullptr ? t.order[k] : k];
    std::fill(t.gathered + t.in, t.gathered + t.inputs, 0.0f);
    x = t.gathered;
  }
  F sum = zero_f();
  for (int64_t k = 0, group_end = t.group_size, group = 0; k < t.inputs; k += kLanes) {
    const int64_t left = t.inputs - k;
    alignas(64) float tail[kLanes] = {};
    if (left < kLanes) std::copy(x + k, x + t.inputs, tail);
    F v = load_f(left < kLanes ? tail : x + k);
    if (t.form != XForm::f32) v = as_f(round_bf16(v));
    if (left < kLanes) {
      store_f(tail, v);
      std::copy(tail, tail + left, reinterpret_cast<float*>(t.out) + k);
    } else if (t.form == XForm::bf16) {
      store_bf16(t.out + k * 2, v);
    } else {
      store_f(t.out + k * 4, v);
    }
    if (t.group_size == 0) continue;
    sum = sum + v;
    if (k + kLanes < group_end) continue;
    t.sums[group++] = add_lanes(sum);
    sum = zero_f();
    group_end += t.group_size;
  }
}
