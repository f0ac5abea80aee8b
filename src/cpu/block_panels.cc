#include "cpu/block_panels.h"

#include <cstring>

#include "base/check.h"
#include "base/half.h"

namespace octavo::cpu {
namespace {

constexpr int64_t kWideInputs = 16;               // of a B row of 5- or 6-bit codes
constexpr int64_t kNibbleBytes = 2 * kPanel * 4;  // of its low nibbles
constexpr int64_t kFifthBytes = kPanel * 2, kUpperBytes = kPanel * 4;

std::byte* writable(std::span<const std::byte> plane) {
  return const_cast<std::byte*>(plane.data());
}

template <class T>
T load(const std::byte* at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

// `Count` codes as a word: input 2i + j in bits [16j + i·Bits, ...).
template <int Bits, int Count>
uint32_t word_of(const uint8_t* codes) {
  uint32_t word = 0;
  for (int k = 0; k < Count; ++k)
    word |= static_cast<uint32_t>(codes[k]) << (k % 2 * 16 + k / 2 * Bits);
  return word;
}

template <int Bits>
int code_in(uint32_t word, int k) {
  return static_cast<int>(word >> (k % 2 * 16 + k / 2 * Bits) & ((1u << Bits) - 1));
}

// Codes of `count` inputs to column `column` of the B rows from `row` on.
template <int Bits>
void put_plain(const uint8_t* codes, int count, std::byte* row) {
  constexpr int kInputs = 32 / Bits;
  for (int k = 0; k < count; k += kInputs, row += kPanel * 4) {
    const uint32_t word = word_of<Bits, kInputs>(codes + k);
    std::memcpy(row, &word, 4);
  }
}

// The byte of a word of nibbles and the shift (0 or 4, as 0 or 1) at which input `k` of 8 lies.
constexpr int byte_of(int k) { return k % 2 * 2 + k / 4; }
constexpr int step_of(int k) { return k / 2 % 2; }
// Where the upper bits of input `k` of 16 lie in their word.
constexpr int upper_bit(int bits, int k) {
  const int step = k / 8 * 2 + step_of(k % 8), byte = byte_of(k % 8);
  return bits == 6 ? byte * 8 + step * 2 : byte * 4 + step;
}

void put_wide(const uint8_t* codes, int count, int bits, int64_t column, std::byte* row) {
  const int64_t row_bytes = kNibbleBytes + (bits == 6 ? kUpperBytes : kFifthBytes);
  for (int k = 0; k < count; k += kWideInputs, row += row_bytes) {
    uint8_t low[kWideInputs];
    uint32_t upper = 0;
    for (int i = 0; i < kWideInputs; ++i) {
      low[i] = codes[k + i] & 15;
      upper |= static_cast<uint32_t>(codes[k + i] >> 4) << upper_bit(bits, i);
    }
    const uint32_t words[] = {word_of<4, 8>(low), word_of<4, 8>(low + 8)};
    std::memcpy(row + column * 4, &words[0], 4);
    std::memcpy(row + (kPanel + column) * 4, &words[1], 4);
    std::byte* const rest = row + kNibbleBytes;
    std::memcpy(rest + column * (bits == 6 ? 4 : 2), &upper, bits == 6 ? 4 : 2);
  }
}

void put_codes(Codes kind, const uint8_t* codes, int count, int64_t column, std::byte* row) {
  switch (kind) {
    case Codes::bits2:
      return put_plain<2>(codes, count, row + column * 4);
    case Codes::bits4:
    case Codes::iq4:
    case Codes::e2m1:
      return put_plain<4>(codes, count, row + column * 4);
    case Codes::bits8:
      return put_plain<8>(codes, count, row + column * 4);
    case Codes::bits5:
      return put_wide(codes, count, 5, column, row);
    case Codes::bits6:
      return put_wide(codes, count, 6, column, row);
  }
}

// Input `k` of the B row at `row`.
int code_at(Codes kind, const std::byte* row, int64_t column, int k) {
  const auto word = [&](int64_t part) {
    return load<uint32_t>(row + (part * kPanel + column) * 4);
  };
  switch (kind) {
    case Codes::bits2:
      return code_in<2>(word(0), k);
    case Codes::bits4:
    case Codes::iq4:
    case Codes::e2m1:
      return code_in<4>(word(0), k);
    case Codes::bits8:
      return code_in<8>(word(0), k);
    case Codes::bits6:
      return code_in<4>(word(k / 8), k % 8) | static_cast<int>(word(2) >> upper_bit(6, k) & 3) << 4;
    case Codes::bits5: {
      const auto fifth = load<uint16_t>(row + kNibbleBytes + column * 2);
      return code_in<4>(word(k / 8), k % 8) | (fifth >> upper_bit(5, k) & 1) << 4;
    }
  }
  return 0;
}

void put_scale(DType type, float value, std::byte* plane, int64_t index) {
  const uint16_t bits = type == DType::bf16 ? to_bfloat16(value).bits : to_float16(value).bits;
  std::memcpy(plane + index * 2, &bits, 2);
}

float scale_at(DType type, std::span<const std::byte> plane, int64_t index) {
  const auto bits = load<uint16_t>(plane.data() + index * 2);
  return type == DType::bf16 ? to_float(BFloat16{bits}) : to_float(Float16{bits});
}

// Where the numbers of one output lie in the planes of scales.
struct ScalePlace {
  BlockScales shape;
  int64_t groups, blocks, panel, column;

  ScalePlace(const Weight& w, int64_t row)
      : shape(block_scales(w.format)),
        groups(w.groups()),
        blocks(groups / shape.group_blocks),
        panel(row / kPanel),
        column(row % kPanel) {}

  int64_t scale(int64_t block, int64_t which) const {
    return ((panel * blocks + block) * shape.scales + which) * kPanel + column;
  }
  int64_t factor(int64_t group, int64_t which) const {
    return ((panel * groups + group) * shape.factors + which) * kPanel + column;
  }
};

void put_scales(const BlockTraits& t, const BlockParts& parts, const ScalePlace& place,
                int64_t index, const Weight& target) {
  // Without factors a block is one group, whatever its length.
  put_scale(t.scale_dtype, parts.scale, writable(target.scales), place.scale(index, 0));
  if (t.minimum)
    put_scale(t.scale_dtype, parts.minimum, writable(target.scales), place.scale(index, 1));
  if (!t.sub_scales) return;
  const int groups = t.elements / t.group;
  std::byte* const factors = writable(target.zeros);
  for (int g = 0; g < groups; ++g) {
    factors[place.factor(index * groups + g, 0)] = static_cast<std::byte>(parts.sub_scales[g]);
    if (t.minimum)
      factors[place.factor(index * groups + g, 1)] = static_cast<std::byte>(parts.sub_minima[g]);
  }
}

}  // namespace

Codes codes_of(const Format& f) {
  if (f.scheme == Scheme::block && traits(f.block).table == kIq4Values.data()) return Codes::iq4;
  if (f.scheme == Scheme::block && traits(f.block).table == kE2m1Values.data()) return Codes::e2m1;
  switch (stored_bits(f.bits)) {
    case 2:
      return Codes::bits2;
    case 4:
      return Codes::bits4;
    case 5:
      return Codes::bits5;
    case 6:
      return Codes::bits6;
    default:
      return Codes::bits8;
  }
}

BlockScales block_scales(const Format& f) {
  const BlockTraits& t = traits(f.block);
  const int64_t kinds = t.minimum ? 2 : 1;
  if (!t.sub_scales) return {.group_blocks = 1, .scales = kinds, .factors = 0};
  return {.group_blocks = t.elements / t.group, .scales = kinds, .factors = kinds};
}

PanelShape block_panel_shape(const Format& f, int64_t in) {
  const int bits = stored_bits(f.bits);
  PanelShape shape{.inputs = in, .groups = groups_of(f, in)};
  if (bits == 5 || bits == 6) {
    shape.inputs_per_row = kWideInputs;
    shape.row_bytes = kNibbleBytes + (bits == 6 ? kUpperBytes : kFifthBytes);
  } else {
    shape.inputs_per_row = 32 / bits;
    shape.row_bytes = kPanel * 4;
  }
  return shape;
}

PlaneBytes block_planes(const Format& f, int64_t out, int64_t in) {
  const PanelShape shape = block_panel_shape(f, in);
  const BlockScales scales = block_scales(f);
  const int64_t columns = panel_count(out) * kPanel;
  return {.data = static_cast<size_t>(panel_count(out) * shape.bytes()),
          .scales = static_cast<size_t>(columns * (shape.groups / scales.group_blocks) *
                                        scales.scales * 2),
          .zeros = static_cast<size_t>(columns * shape.groups * scales.factors)};
}

void pack_blocks(const Weight& rows, int64_t first_row, const Weight& target) {
  OCTAVO_CHECK(rows.format.block == target.format.block);
  const BlockTraits& t = traits(rows.format.block);
  const PanelShape shape = block_panel_shape(target.format, target.in);
  const Codes kind = codes_of(target.format);
  const int64_t blocks = rows.in / t.elements;
  BlockParts parts;
  const std::byte* source = rows.data.data();
  for (int64_t n = 0; n < rows.out; ++n) {
    const ScalePlace place(target, first_row + n);
    std::byte* const panel = writable(target.data) + place.panel * shape.bytes();
    for (int64_t i = 0; i < blocks; ++i, source += t.bytes) {
      split_block(rows.format.block, source, parts);
      const int64_t row = i * t.elements / shape.inputs_per_row;
      put_codes(kind, parts.codes.data(), t.elements, place.column, panel + row * shape.row_bytes);
      put_scales(t, parts, place, i, target);
    }
  }
}

void unpack_block_row(const Weight& w, int64_t row, std::span<float> out) noexcept {
  const BlockTraits& t = traits(w.format.block);
  const PanelShape shape = block_panel_shape(w.format, w.in);
  const Codes kind = codes_of(w.format);
  const ScalePlace place(w, row);
  const std::byte* const panel = w.data.data() + place.panel * shape.bytes();
  float scale = 0, minimum = 0;
  for (int64_t k = 0; k < w.in; ++k) {
    if (const int64_t group = k / t.group; k % t.group == 0) {
      const int64_t block = group / place.shape.group_blocks;
      scale = scale_at(t.scale_dtype, w.scales, place.scale(block, 0));
      if (t.minimum) minimum = scale_at(t.scale_dtype, w.scales, place.scale(block, 1));
      const auto factor = [&](int64_t which) {
        return static_cast<float>(
            static_cast<int8_t>(w.zeros[static_cast<size_t>(place.factor(group, which))]));
      };
      if (t.sub_scales) scale *= factor(0);
      if (t.sub_scales && t.minimum) minimum *= factor(1);
    }
    const std::byte* const b_row = panel + k / shape.inputs_per_row * shape.row_bytes;
    const int code = code_at(kind, b_row, place.column, static_cast<int>(k % shape.inputs_per_row));
    out[k] = block_element(t, code, scale, minimum);
  }
}

}  // namespace octavo::cpu
