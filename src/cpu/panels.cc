#include "cpu/panels.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "base/check.h"
#include "base/half.h"
#include "cpu/block_panels.h"

namespace octavo::cpu {
namespace {

// Words of one source row that are formed before they are spread over the B rows of a panel: with
// 64 source rows a block is 16 KB of the panel, which stays in L1 while all of its columns are
// filled.
constexpr int64_t kBlockWords = 64;

template <class T>
T load(const std::byte* bytes, int64_t index) {
  T value;
  std::memcpy(&value, bytes + index * static_cast<int64_t>(sizeof(T)), sizeof(T));
  return value;
}

template <class T>
void store(std::byte* bytes, int64_t index, T value) {
  std::memcpy(bytes + index * static_cast<int64_t>(sizeof(T)), &value, sizeof(T));
}

std::byte* writable(std::span<const std::byte> plane) {
  return const_cast<std::byte*>(plane.data());
}

template <class From>
void widen(const std::byte* src, int64_t begin, int64_t count, float* out) {
  for (int64_t i = 0; i < count; ++i) out[i] = to_float(load<From>(src, begin + i));
}

// Elements [begin, begin + count) of a row of `type` as float.
void to_floats(DType type, const std::byte* src, int64_t begin, int64_t count, float* out) {
  switch (type) {
    case DType::f32:
      return widen<float>(src, begin, count, out);
    case DType::bf16:
      return widen<BFloat16>(src, begin, count, out);
    case DType::f16:
      return widen<Float16>(src, begin, count, out);
    case DType::f64:
      for (int64_t i = 0; i < count; ++i) out[i] = static_cast<float>(load<double>(src, begin + i));
      return;
    default:
      OCTAVO_CHECK(false);
  }
}

// `count` elements of `type` at `index` of `dst` from floats; exact when they came from that type.
void from_floats(DType type, const float* src, int64_t count, std::byte* dst, int64_t index) {
  switch (type) {
    case DType::f32:
      for (int64_t i = 0; i < count; ++i) store(dst, index + i, src[i]);
      return;
    case DType::bf16:
      for (int64_t i = 0; i < count; ++i) store(dst, index + i, to_bfloat16(src[i]));
      return;
    case DType::f16:
      for (int64_t i = 0; i < count; ++i) store(dst, index + i, to_float16(src[i]));
      return;
    default:
      OCTAVO_CHECK(false);
  }
}

// Inputs [begin, begin + count) of a dense row, as elements of `to`. Same types are copied bit by
// bit.
void convert(DType from, DType to, const std::byte* src, int64_t begin, int64_t count,
             std::byte* dst) {
  if (from == to) {
    const int64_t size = size_bytes(to);
    std::memcpy(dst, src + begin * size, static_cast<size_t>(count * size));
    return;
  }
  std::array<float, kBlockWords * 2> values;
  to_floats(from, src, begin, count, values.data());
  from_floats(to, values.data(), count, dst, 0);
}

// Moves the codes of even inputs to the low and of odd inputs to the high half of a word.
template <int Bits>
uint32_t split_pairs(uint32_t codes) {
  if constexpr (Bits == 8)
    return (codes & 0xFF0000FF) | (codes & 0xFF00) << 8 | (codes >> 8 & 0xFF00);
  const auto gather = [](uint32_t v) {  // every other code, closed up to 16 bits
    if constexpr (Bits == 2) {
      v &= 0x33333333;
      v = (v | v >> 2) & 0x0F0F0F0F;
    } else {
      v &= 0x0F0F0F0F;
    }
    v = (v | v >> 4) & 0x00FF00FF;
    return (v | v >> 8) & 0xFFFF;
  };
  return gather(codes) | gather(codes >> Bits) << 16;
}

// Words [begin, begin + count) of a row of codes; inputs beyond `in` are 0.
template <int Bits>
void code_words(const std::byte* src, int64_t row_bytes, int64_t begin, int64_t count,
                uint32_t* words) {
  for (int64_t i = 0; i < count; ++i) {
    const int64_t left = row_bytes - (begin + i) * 4;
    uint32_t codes = 0;
    if (left > 0) {
      std::memcpy(&codes, src + (begin + i) * 4, static_cast<size_t>(std::min<int64_t>(4, left)));
    }
    words[i] = split_pairs<Bits>(codes);
  }
}

// 3-bit codes widened to 4 bits: 8 of them are 3 bytes of the source.
void code_words_3(const std::byte* src, int64_t row_bytes, int64_t begin, int64_t count,
                  uint32_t* words) {
  for (int64_t i = 0; i < count; ++i) {
    const int64_t left = row_bytes - (begin + i) * 3;
    uint32_t codes = 0;
    if (left > 0) {
      std::memcpy(&codes, src + (begin + i) * 3, static_cast<size_t>(std::min<int64_t>(3, left)));
    }
    uint32_t wide = 0;
    for (int k = 0; k < 8; ++k) wide |= (codes >> (3 * k) & 7) << (4 * k);
    words[i] = split_pairs<4>(wide);
  }
}

// Words [begin, begin + count) of source row `row` in the target's order.
struct RowReader {
  const Weight& rows;
  DType target;
  int64_t in_bytes;  // of a source row

  RowReader(const Weight& source, DType to) : rows(source), target(to) {
    in_bytes = rows.format.scheme == Scheme::affine ? (rows.in * rows.format.bits + 7) / 8
                                                    : rows.in * size_bytes(rows.format.dtype);
  }

  // Where these words lie in the source just as the target wants them; null: they have to be
  // formed.
  const std::byte* in_place(int64_t row, int64_t begin, int64_t count) const {
    const int64_t bytes = 4 * (begin + count);
    if (rows.format.scheme != Scheme::dense || rows.format.dtype != target || bytes > in_bytes)
      return nullptr;
    return rows.data.data() + row * in_bytes + 4 * begin;
  }

  void read(int64_t row, int64_t begin, int64_t count, std::byte* words) const {
    const std::byte* const src = rows.data.data() + row * in_bytes;
    if (rows.format.scheme == Scheme::affine) return read_codes(src, begin, count, words);
    const int64_t pair = target == DType::bf16 ? 2 : 1;
    const int64_t present = std::clamp<int64_t>(rows.in - begin * pair, 0, count * pair);
    const int64_t size = size_bytes(target);
    convert(rows.format.dtype, target, src, begin * pair, present, words);
    std::memset(words + present * size, 0, static_cast<size_t>((count * pair - present) * size));
  }

  void read_codes(const std::byte* src, int64_t begin, int64_t count, std::byte* bytes) const {
    auto* const words = reinterpret_cast<uint32_t*>(bytes);
    switch (rows.format.bits) {
      case 2:
        return code_words<2>(src, in_bytes, begin, count, words);
      case 3:
        return code_words_3(src, in_bytes, begin, count, words);
      case 4:
        return code_words<4>(src, in_bytes, begin, count, words);
      default:
        return code_words<8>(src, in_bytes, begin, count, words);
    }
  }
};

template <class Word>
void spread(const std::byte* words, int64_t count, std::byte* panel, int64_t row, int64_t column) {
  for (int64_t i = 0; i < count; ++i)
    store(panel, (row + i) * kPanel + column, load<Word>(words, i));
}

// Words of four bytes of four source rows, spread over `count` B rows from `panel`, four columns
// each: a transposition in registers, 4 by 4.
void spread_four(const std::array<const std::byte*, 4>& words, int64_t count, std::byte* panel) {
  typedef uint32_t Quad __attribute__((vector_size(16)));
  constexpr int64_t kRowBytes = kPanel * 4;
  int64_t i = 0;
  for (; i + 4 <= count; i += 4) {
    const auto quad = [&](size_t n) { return load<Quad>(words[n] + 4 * i, 0); };
    const auto put = [&](int64_t row, Quad columns) {
      store(panel + (i + row) * kRowBytes, 0, columns);
    };
    const Quad low01 = __builtin_shufflevector(quad(0), quad(1), 0, 4, 1, 5),
               low23 = __builtin_shufflevector(quad(2), quad(3), 0, 4, 1, 5),
               high01 = __builtin_shufflevector(quad(0), quad(1), 2, 6, 3, 7),
               high23 = __builtin_shufflevector(quad(2), quad(3), 2, 6, 3, 7);
    put(0, __builtin_shufflevector(low01, low23, 0, 1, 4, 5));
    put(1, __builtin_shufflevector(low01, low23, 2, 3, 6, 7));
    put(2, __builtin_shufflevector(high01, high23, 0, 1, 4, 5));
    put(3, __builtin_shufflevector(high01, high23, 2, 3, 6, 7));
  }
  for (; i < count; ++i) {
    for (int64_t n = 0; n < 4; ++n)
      store(panel + i * kRowBytes, n, load<uint32_t>(words[static_cast<size_t>(n)], i));
  }
}

struct RowRange {
  int64_t begin, end;
};

// Where a block of a panel begins.
struct BlockPlace {
  int64_t row, column;
};

// `count` words of each of these source rows to the block at `place`; words of four bytes.
void pack_words(const RowReader& reader, RowRange range, int64_t count, std::byte* panel,
                BlockPlace place) {
  alignas(64) std::array<std::array<std::byte, kBlockWords * 4>, 4> formed;
  std::array<const std::byte*, 4> words;
  int64_t n = range.begin;
  const auto fetch = [&](size_t slot) {
    words[slot] = reader.in_place(n + static_cast<int64_t>(slot), place.row, count);
    if (words[slot] != nullptr) return;
    reader.read(n + static_cast<int64_t>(slot), place.row, count, formed[slot].data());
    words[slot] = formed[slot].data();
  };
  const auto column = [&] { return place.column + n - range.begin; };
  for (; n + 4 <= range.end; n += 4) {
    for (size_t slot = 0; slot < 4; ++slot) fetch(slot);
    spread_four(words, count, panel + (place.row * kPanel + column()) * 4);
  }
  for (; n < range.end; ++n) {
    fetch(0);
    spread<uint32_t>(words[0], count, panel, place.row, column());
  }
}

// Source rows of one panel, the first of them to `first_column`.
void pack_panel(const RowReader& reader, const PanelShape& shape, RowRange range, std::byte* panel,
                int64_t first_column) {
  alignas(64) std::array<std::byte, kBlockWords * 4> words;
  for (int64_t row = 0; row < shape.rows(); row += kBlockWords) {
    const int64_t count = std::min(kBlockWords, shape.rows() - row);
    if (shape.row_bytes == kPanel * 4) {
      pack_words(reader, range, count, panel, {.row = row, .column = first_column});
      continue;
    }
    for (int64_t n = range.begin; n < range.end; ++n) {
      reader.read(n, row, count, words.data());
      spread<uint16_t>(words.data(), count, panel, row, first_column + n - range.begin);
    }
  }
}

void pack_groups(const Weight& rows, int64_t row, const Weight& target, int64_t target_row) {
  const int64_t groups = target.groups();
  const int64_t base = target_row / kPanel * groups * kPanel + target_row % kPanel;
  for (int64_t g = 0; g < groups; ++g) {
    const int64_t from = row * groups + g, to = base + g * kPanel;
    float scale;
    to_floats(rows.format.dtype, rows.scales.data(), from, 1, &scale);
    from_floats(target.format.dtype, &scale, 1, writable(target.scales), to);
    writable(target.zeros)[to] = rows.zeros[from];
  }
}

void unpack_codes(const Weight& w, const std::byte* panel, int64_t row, std::span<float> out) {
  const int bits = stored_bits(w.format.bits), pairs = 16 / bits;
  const uint32_t mask = (1u << bits) - 1;
  const int64_t base = row / kPanel * w.groups() * kPanel + row % kPanel;
  float scale = 0;
  int zero = 0;
  for (int64_t k = 0; k < w.in; ++k) {
    if (k % w.format.group_size == 0) {
      const int64_t group = base + k / w.format.group_size * kPanel;
      to_floats(w.format.dtype, w.scales.data(), group, 1, &scale);
      zero = std::to_integer<int>(w.zeros[group]);
    }
    const auto word = load<uint32_t>(panel, k / (2 * pairs) * kPanel + row % kPanel);
    const int64_t shift = k % 2 * 16 + k / 2 % pairs * bits;
    const int64_t input = w.format.ordered ? w.order[k] : k;
    out[input] = static_cast<float>(static_cast<int>(word >> shift & mask) - zero) * scale;
  }
}

}  // namespace

bool fits_panels(const Format& f, int64_t in) {
  if (f.scheme == Scheme::dense)
    return f.dtype == DType::f32 || f.dtype == DType::f16 || f.dtype == DType::bf16;
  if (f.scheme == Scheme::block) return true;
  const bool bits = f.bits == 2 || f.bits == 3 || f.bits == 4 || f.bits == 8;
  return bits && (f.group_size == in || (f.group_size % 16 == 0 && f.group_size > 0));
}

PanelShape panel_shape(const Format& f, int64_t in) {
  if (f.scheme == Scheme::block) return block_panel_shape(f, in);
  const int64_t padded = (in + 31) / 32 * 32;
  if (f.scheme == Scheme::affine) {
    // A last group that is cut short by `in` is padded: its missing inputs are zeros of x.
    const int64_t groups = (in + f.group_size - 1) / f.group_size;
    return {.inputs = f.group_size == in ? padded : groups * f.group_size,
            .inputs_per_row = 32 / stored_bits(f.bits),
            .row_bytes = kPanel * 4,
            .groups = groups};
  }
  if (f.dtype == DType::bf16)
    return {.inputs = padded, .inputs_per_row = 2, .row_bytes = kPanel * 4};
  return {.inputs = in, .inputs_per_row = 1, .row_bytes = kPanel * size_bytes(f.dtype)};
}

Format preferred(const Format& source, int64_t out, int64_t in, Compute compute) {
  Format format = reference::ops().preferred(source, out, in, compute);
  if (source.scheme == Scheme::dense && compute != Compute::f32) format.dtype = DType::bf16;
  if (fits_panels(format, in)) format.packing = Packing::panels;
  return format;
}

PlaneBytes planes(const Format& format, int64_t out, int64_t in) {
  if (format.packing == Packing::rows) return plane_bytes(format, out, in);
  if (format.scheme == Scheme::block) return block_planes(format, out, in);
  const PanelShape shape = panel_shape(format, in);
  const int64_t panels = panel_count(out), groups = panels * shape.groups * kPanel;
  PlaneBytes bytes{.data = static_cast<size_t>(panels * shape.bytes())};
  if (format.scheme == Scheme::affine) {
    bytes.scales = static_cast<size_t>(groups * size_bytes(format.dtype));
    bytes.zeros = static_cast<size_t>(groups);
  }
  return bytes;
}

void pack(const Weight& rows, int64_t first_row, const Weight& target) {
  OCTAVO_CHECK(rows.format.packing == Packing::rows && rows.in == target.in && first_row >= 0 &&
               first_row + rows.out <= target.out);
  OCTAVO_CHECK(rows.format.scheme == target.format.scheme &&
               rows.format.bits == target.format.bits);
  if (target.format.packing == Packing::rows) return reference::ops().pack(rows, first_row, target);
  if (target.format.scheme == Scheme::block) return pack_blocks(rows, first_row, target);
  const PanelShape shape = panel_shape(target.format, target.in);
  const RowReader reader(rows, target.format.dtype);
  for (int64_t n = 0; n < rows.out;) {
    const int64_t row = first_row + n;
    const int64_t end = std::min(rows.out, n + kPanel - row % kPanel);
    pack_panel(reader, shape, {n, end}, writable(target.data) + row / kPanel * shape.bytes(),
               row % kPanel);
    n = end;
  }
  if (rows.format.scheme == Scheme::dense) return;
  for (int64_t n = 0; n < rows.out; ++n) pack_groups(rows, n, target, first_row + n);
}

void unpack_row(const Weight& w, int64_t row, std::span<float> out) noexcept {
  if (w.format.packing == Packing::rows) return reference::ops().unpack_row(w, row, out);
  if (w.format.scheme == Scheme::block) return unpack_block_row(w, row, out);
  OCTAVO_DCHECK(row >= 0 && row < w.out && static_cast<int64_t>(out.size()) == w.in);
  const PanelShape shape = panel_shape(w.format, w.in);
  const std::byte* const panel = w.data.data() + row / kPanel * shape.bytes();
  if (w.format.scheme == Scheme::affine) {
    unpack_codes(w, panel, row, out);
  } else if (w.format.dtype == DType::bf16) {
    for (int64_t k = 0; k < w.in; ++k) {
      const auto word = load<uint32_t>(panel, k / 2 * kPanel + row % kPanel);
      out[k] = std::bit_cast<float>(k % 2 == 0 ? word << 16 : word & 0xFFFF0000);
    }
  } else if (w.format.dtype == DType::f16) {
    for (int64_t k = 0; k < w.in; ++k)
      out[k] = to_float(load<Float16>(panel, k * kPanel + row % kPanel));
  } else {
    for (int64_t k = 0; k < w.in; ++k) out[k] = load<float>(panel, k * kPanel + row % kPanel);
  }
}

void embed(Queue& queue, const Weight& table, std::span<const int32_t> ids, float scale,
           Mat y) noexcept {
  const bool dense_rows =
      table.format.packing == Packing::rows && table.format.scheme == Scheme::dense;
  const int64_t row_bytes = table.in * size_bytes(table.format.dtype);
  queue.pool().split(static_cast<int64_t>(ids.size()), 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) {
      const std::span<float> out = y.row(i);
      if (dense_rows) {
        to_floats(table.format.dtype, table.data.data() + ids[i] * row_bytes, 0, table.in,
                  out.data());
      } else {
        unpack_row(table, ids[i], out);
      }
      for (float& v : out) v *= scale;
    }
  });
}

Ops overlay_panels(Ops table) {
  table.preferred = preferred;
  table.planes = planes;
  table.pack = pack;
  table.unpack_row = unpack_row;
  table.embed = embed;
  return table;
}

}  // namespace octavo::cpu
