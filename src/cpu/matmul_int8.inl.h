// No #pragma once: Compute::int8 (ops/int8.h), included in the target region and namespace of each
// ISA after matmul_panel.inl.h and
//   S dot(S sums, U codes, U x)       sums + the four products of each lane's bytes, codes unsigned
//                                     and below 128, x signed
//   S dot_wide(S sums, U codes, U x)  the same for codes of all 8 bits
//   U look_up_bytes(const uint8_t* table, U index)  of 16, byte by byte, index below 16
//   int32_t round_unit(std::span<const float> x, float inverse, int64_t inputs_of_word,
//                      std::byte* out)  x · inverse to the nearest integers, 16 at a time in the
//                                     order of a word's bytes: inputs 2s, h + 2s, 2s + 1, h + 2s +
//                                     1 of each 2h for s = 0, 1, ...; returns their sum
//   constexpr int kIntRows, kIntCodeRows   rows of x of the largest tile over bytes and over codes
//   constexpr int int_tile_vectors(int rows)
//
// A word of a panel holds its inputs so that a shift and a mask give four codes, one a byte; x has
// its inputs in that order (int8_row). A tile of Rows x Vectors integer sums walks down the B rows
// of one unit and then joins the float totals; integers are exact, so any tile shape gives the same
// bits. Codes that are dear to unpack are unpacked to bytes once where many rows share them; a
// shift and a mask hide beside the products of 6 rows (Zen 4: 84 % of the peak of vpdpbusd either
// way).

constexpr int64_t kIntAheadBytes = 4096;  // of the panel, fetched before they are read

// ---- Sources: codes of a B row as kSteps vectors of bytes. kWide: they need all 8 bits.
// kDirectRows: up to which every block of rows unpacks for itself.

template <int Bits>
struct ByteCodes {
  static constexpr int kSteps = 8 / Bits;
  static constexpr int64_t kRowBytes = kPanel * 4;
  static constexpr bool kWide = Bits == 8;
  static constexpr int64_t kDirectRows = kMaxRows;
  using Word = U;
  static Word word(const std::byte* row, int64_t column) { return load_u(row + column * 4); }
  static U codes(Word w, int step) {
    if constexpr (Bits == 8) return w;
    constexpr uint32_t kMask = 0x01010101u * ((1u << Bits) - 1);
    return w >> (Bits * step) & kMask;
  }
};

// Codes that were unpacked.
template <bool Wide>
struct StripCodes : ByteCodes<8> {
  static constexpr bool kWide = Wide;
};

// 4-bit codes that name one of 16 values, as the bytes value + Bias.
template <const std::array<int8_t, 16>& Values, int Bias>
struct ByteTable {
  static constexpr int kSteps = 2;
  static constexpr int64_t kRowBytes = kPanel * 4;
  static constexpr bool kWide = Bias > 63;
  static constexpr int64_t kDirectRows = 12;
  alignas(64) static constexpr std::array<uint8_t, 16> kTable = [] {
    std::array<uint8_t, 16> table{};
    for (size_t i = 0; i < 16; ++i) table[i] = static_cast<uint8_t>(Values[i] + Bias);
    return table;
  }();
  using Word = U;
  static Word word(const std::byte* row, int64_t column) { return load_u(row + column * 4); }
  static U codes(Word w, int step) {
    return look_up_bytes(kTable.data(), w >> (4 * step) & 0x0F0F0F0Fu);
  }
};
constexpr int kIq4Bias = 127, kE2m1Bias = 12;

// 5- and 6-bit codes: nibbles of 16 inputs, then their upper bits (panels.h).
template <int Bits>
struct ByteWide {
  static constexpr int kSteps = 4;
  static constexpr int64_t kRowBytes = WideWords<Bits>::kRowBytes;
  static constexpr bool kWide = false;
  static constexpr int64_t kDirectRows = 12;
  using Word = WideWords<Bits>;
  static Word word(const std::byte* row, int64_t column) {
    return Word::load(row + column * 4, column);
  }
  static U codes(const Word& w, int step) {
    const U nibbles = (step < 2 ? w.low : w.high) >> (step % 2 * 4) & 0x0F0F0F0Fu;
    return nibbles | w.upper_bytes(step);
  }
};

// ---- One unit.

// What all rows share of a unit's group, 64 outputs each.
struct GroupIntegers {
  alignas(64) float scale[kPanel], minimum[kPanel];
  alignas(64) int32_t zero[kPanel];  // unless common
  bool has_minimum = false, has_common_zero = false;
  int32_t common_zero = 0;
};

struct IntSegment {
  const std::byte* b = nullptr;  // first B row of the unit
  int64_t b_rows = 0;
  const std::byte* x = nullptr;  // row 0, at the first input of the unit
  int64_t x_stride_bytes = 0;
  int64_t rows = 0;
  float* totals = nullptr;  // [rows][64]
  bool first = true;        // totals begin at 0
  const GroupIntegers* group = nullptr;
  const XUnit* units = nullptr;  // row 0; then every units_stride
  int64_t units_stride = 0;
  int ahead_lines = 0;  // of each B row, that this block of rows fetches for later
  int64_t ahead_bytes = 0;
};

inline U broadcast_u(const void* p) {
  uint32_t word;
  __builtin_memcpy(&word, p, 4);
  return U{} + word;
}

template <class Source>
inline S dot_codes(S sums, U codes, U x) {
  if constexpr (Source::kWide) return dot_wide(sums, codes, x);
  return dot(sums, codes, x);
}

// -zero · Σ a: the integer part of the zero points goes in first, off the critical path.
template <int Rows, int Vectors>
[[gnu::always_inline]] inline void start_sums(const IntSegment& s, int64_t row, int column,
                                              S (&sums)[Rows][Vectors]) {
  const XUnit* const units = s.units + row * s.units_stride;
  if (s.group->has_common_zero) {
#pragma GCC unroll 8
    for (int r = 0; r < Rows; ++r) {
      const S start = S{} - s.group->common_zero * units[r * s.units_stride].sum;
#pragma GCC unroll 8
      for (int v = 0; v < Vectors; ++v) sums[r][v] = start;
    }
    return;
  }
  S zeros[Vectors];
#pragma GCC unroll 8
  for (int v = 0; v < Vectors; ++v) zeros[v] = (S)load_u(s.group->zero + column + v * kLanes);
#pragma GCC unroll 8
  for (int r = 0; r < Rows; ++r) {
    const S sum = S{} - units[r * s.units_stride].sum;
#pragma GCC unroll 8
    for (int v = 0; v < Vectors; ++v) sums[r][v] = zeros[v] * sum;
  }
}

template <int Rows, int Vectors>
[[gnu::always_inline]] inline void finish_unit(const IntSegment& s, int64_t row, int column,
                                               const S (&sums)[Rows][Vectors]) {
  float* const totals = s.totals + row * kPanel + column;
  const XUnit* const units = s.units + row * s.units_stride;
  const int64_t stride = s.units_stride;
  const float *const scales = s.group->scale + column, *const minima = s.group->minimum + column;
  const bool first = s.first, has_minimum = s.group->has_minimum;
  F scale[Vectors];
#pragma GCC unroll 8
  for (int v = 0; v < Vectors; ++v) scale[v] = load_f(scales + v * kLanes);
#pragma GCC unroll 8
  for (int r = 0; r < Rows; ++r) {
    const F x_scale = broadcast(&units[r * stride].scale);
#pragma GCC unroll 8
    for (int v = 0; v < Vectors; ++v) {
      float* const total = totals + r * kPanel + v * kLanes;
      F sum = fma(x_scale * to_f(sums[r][v]), scale[v], first ? zero_f() : load_f(total));
      if (has_minimum) {
        const F x_sum = x_scale * (zero_f() + static_cast<float>(units[r * stride].sum));
        sum = fnma(x_sum, load_f(minima + v * kLanes), sum);
      }
      store_f(total, sum);
    }
  }
}

// Lines of a later B row: to L1 where one block of rows takes them all, soon to be read; else to
// L2, where there is time.
[[gnu::always_inline]] inline void fetch_ahead(const std::byte* at, int lines) {
  const auto* const line = reinterpret_cast<const char*>(at);
  if (lines == 4) {
    __builtin_prefetch(line, 0, 3);
    __builtin_prefetch(line + 64, 0, 3);
    __builtin_prefetch(line + 128, 0, 3);
    __builtin_prefetch(line + 192, 0, 3);
    return;
  }
  __builtin_prefetch(line, 0, 2);
  if (lines == 2) __builtin_prefetch(line + 64, 0, 2);
}

template <class Source, int Rows, int Vectors>
inline void int_tile(const IntSegment& s, int64_t row, int column) {
  S sums[Rows][Vectors];
  start_sums(s, row, column, sums);
  const std::byte* x[Rows];
#pragma GCC unroll 8
  for (int r = 0; r < Rows; ++r) x[r] = s.x + (row + r) * s.x_stride_bytes;
  const std::byte* b = s.b;
  const int lines = column == 0 ? s.ahead_lines : 0;
  const int64_t ahead = s.ahead_bytes;
  for (int64_t i = 0; i < s.b_rows; ++i, b += Source::kRowBytes) {
    if (Rows > 2 && lines != 0) fetch_ahead(b + ahead, lines);
    typename Source::Word words[Vectors];
#pragma GCC unroll 8
    for (int v = 0; v < Vectors; ++v) words[v] = Source::word(b, column + v * kLanes);
#pragma GCC unroll 4
    for (int step = 0; step < Source::kSteps; ++step) {
      U codes[Vectors];
#pragma GCC unroll 8
      for (int v = 0; v < Vectors; ++v) codes[v] = Source::codes(words[v], step);
#pragma GCC unroll 8
      for (int r = 0; r < Rows; ++r) {
        const U four = broadcast_u(x[r] + (i * Source::kSteps + step) * 4);
#pragma GCC unroll 8
        for (int v = 0; v < Vectors; ++v)
          sums[r][v] = dot_codes<Source>(sums[r][v], codes[v], four);
      }
    }
  }
  finish_unit(s, row, column, sums);
}

template <class Source, int Rows>
void int_rows(const IntSegment& s, int64_t row) {
  constexpr int kVectors = int_tile_vectors(Rows);
  for (int column = 0; column < kPanel; column += kVectors * kLanes)
    int_tile<Source, Rows, kVectors>(s, row, column);
}

// The panel's next bytes are fetched by all blocks of rows, each its share, so that no block waits
// for more lines than can be under way. Few rows leave that to the hardware, which is faster at it.
template <class Source, int MaxRows>
void run_int_segment(IntSegment s) {
  const int64_t blocks = (s.rows + MaxRows - 1) / MaxRows;
  const bool fetches = s.ahead_bytes != 0 && s.rows > 4;
  const int lines = !fetches ? 0 : blocks == 1 ? 4 : blocks <= 3 ? 2 : 1;
  s.ahead_bytes = blocks == 1 ? s.ahead_bytes : 2 * s.ahead_bytes;
  for (int64_t i = 0; i < blocks; ++i, s.ahead_bytes += lines * 64) {
    s.ahead_lines = i * lines < 4 ? lines : 0;
    const int64_t begin = s.rows * i / blocks, rows = s.rows * (i + 1) / blocks - begin;
    if (rows == 1) int_rows<Source, 1>(s, begin);
    if (rows == 2) int_rows<Source, 2>(s, begin);
    if (rows == 3) int_rows<Source, 3>(s, begin);
    if constexpr (MaxRows >= 4) {
      if (rows == 4) int_rows<Source, 4>(s, begin);
    }
    if constexpr (MaxRows >= 6) {
      if (rows == 5) int_rows<Source, 5>(s, begin);
      if (rows == 6) int_rows<Source, 6>(s, begin);
    }
  }
}

// ---- Panels.

void load_integer_zeros(const std::byte* zeros, GroupIntegers& group) {
  uint64_t first, differ = 0;
  __builtin_memcpy(&first, zeros, 8);
  first = (first & 0xFF) * 0x0101010101010101u;
  for (int i = 0; i < kPanel; i += 8) {
    uint64_t eight;
    __builtin_memcpy(&eight, zeros + i, 8);
    differ |= eight ^ first;
  }
  group.has_common_zero = differ == 0;
  group.common_zero = static_cast<int32_t>(first & 0xFF);
  if (group.has_common_zero) return;
  for (int i = 0; i < kPanel; i += kLanes) store_f(group.zero + i, as_f(load_u8(zeros + i)));
}

// `table_bias` is what a Source's bytes exceed a table's values by.
void load_integers(const PanelTask& task, int64_t index, int table_bias, GroupIntegers& group) {
  const Weight& w = *task.product->w;
  if (w.format.scheme == Scheme::block) {
    GroupNumbers numbers;
    load_block_group(w, task, index, 0, numbers);
    std::copy(numbers.scale, numbers.scale + kPanel, group.scale);
    std::copy(numbers.minimum, numbers.minimum + kPanel, group.minimum);
    group.has_minimum = numbers.has_minimum;
    group.has_common_zero = true;
    group.common_zero = table_bias > 0 ? table_bias : traits(w.format.block).zero;
    return;
  }
  const int64_t at = (task.panel * task.shape.groups + index) * kPanel;
  load_scales(w, at, group.scale);
  load_integer_zeros(w.zeros.data() + at, group);
}

template <class Source>
void unpack_bytes(const std::byte* b, int64_t b_rows, std::byte* strip) {
  for (int64_t row = 0; row < b_rows; ++row, b += Source::kRowBytes) {
    for (int v = 0; v < kPanel / kLanes; ++v) {
      const auto word = Source::word(b, v * kLanes);
#pragma GCC unroll 4
      for (int step = 0; step < Source::kSteps; ++step) {
        store_f(strip + ((row * Source::kSteps + step) * kPanel + v * kLanes) * 4,
                as_f(Source::codes(word, step)));
      }
    }
  }
}

// What carries out units; AMX has another one.
struct RegisterUnits {
  template <class Source>
  static void run(IntSegment s, const Tiles& tiles) {
    // Bytes are in place already; codes are unpacked where enough rows share them.
    if constexpr (Source::kSteps > 1) {
      if (s.rows <= Source::kDirectRows) return run_int_segment<Source, kIntCodeRows>(s);
      unpack_bytes<Source>(s.b, s.b_rows, tiles.strip);
      s.b = tiles.strip;
      s.b_rows *= Source::kSteps;
      s.ahead_bytes = 0;
    }
    run_int_segment<StripCodes<Source::kWide>, kIntRows>(s);
  }
};

template <class Source, class Engine>
void int_panel_of(const PanelTask& task, int table_bias = 0) {
  const Tiles tiles(task.scratch);
  const PanelShape& shape = task.shape;
  const std::byte* const panel = task.product->w->data.data() + task.panel * shape.bytes();
  const int64_t group_inputs = shape.inputs / shape.groups, unit = int8_unit(group_inputs);
  GroupIntegers group;
  const XUnit* units = task.x.units + task.row * task.x.units_of_row;
  for (int64_t input = 0; input < shape.inputs; ++units) {
    if (input % group_inputs == 0) load_integers(task, input / group_inputs, table_bias, group);
    const int64_t count = std::min(unit, group_inputs - input % group_inputs);
    Engine::template run<Source>({.b = panel + input / shape.inputs_per_row * shape.row_bytes,
                                  .b_rows = count / shape.inputs_per_row,
                                  .x = task.x.data + task.row * task.x.stride_bytes + input,
                                  .x_stride_bytes = task.x.stride_bytes,
                                  .rows = task.rows,
                                  .totals = tiles.totals,
                                  .first = input == 0,
                                  .group = &group,
                                  .units = units,
                                  .units_stride = task.x.units_of_row,
                                  .ahead_bytes = kIntAheadBytes},
                                 tiles);
    input += count;
  }
  write_panel(task, tiles.totals);
}

template <class Engine = RegisterUnits>
void int_panel(const PanelTask& task) {
  switch (codes_of(task.product->w->format)) {
    case Codes::bits2:
      return int_panel_of<ByteCodes<2>, Engine>(task);
    case Codes::bits4:
      return int_panel_of<ByteCodes<4>, Engine>(task);
    case Codes::bits5:
      return int_panel_of<ByteWide<5>, Engine>(task);
    case Codes::bits6:
      return int_panel_of<ByteWide<6>, Engine>(task);
    case Codes::bits8:
      return int_panel_of<ByteCodes<8>, Engine>(task);
    case Codes::iq4:
      return int_panel_of<ByteTable<kIq4Values, kIq4Bias>, Engine>(task, kIq4Bias);
    case Codes::e2m1:
      return int_panel_of<ByteTable<kE2m1Values, kE2m1Bias>, Engine>(task, kE2m1Bias);
  }
}

// ---- x.

inline uint32_t largest_bits(const float* x, int64_t count) {  // count a multiple of 16
  S largest{};
  for (int64_t k = 0; k < count; k += kLanes) {
    const S bits = (S)(as_u(load_f(x + k)) & 0x7FFFFFFFu);
    largest = bits > largest ? bits : largest;
  }
  int32_t result = 0;
  for (int i = 0; i < kLanes; ++i) result = std::max(result, largest[i]);
  return static_cast<uint32_t>(result);
}

// Rounds x to the bytes that int_tile reads. REQUIRES: units of a multiple of 16 inputs.
inline void int8_row(const XRowTask& t) noexcept {
  const float* x = t.x;
  if (t.order != nullptr || t.in < t.inputs) {
    for (int64_t k = 0; k < t.in; ++k) t.gathered[k] = t.x[t.order != nullptr ? t.order[k] : k];
    std::fill(t.gathered + t.in, t.gathered + t.inputs, 0.0f);
    x = t.gathered;
  }
  const int64_t unit = int8_unit(t.group_size);
  XUnit* to = t.units;
  for (int64_t k = 0; k < t.inputs; ++to) {
    const int64_t count = std::min(unit, t.group_size - k % t.group_size);
    const Int8Rounding rounding = int8_rounding(largest_bits(x + k, count));
    to->scale = rounding.scale;
    to->sum = round_unit({x + k, static_cast<size_t>(count)}, rounding.inverse, t.inputs_of_word,
                         t.out + k);
    k += count;
  }
}
