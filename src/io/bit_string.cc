#include "io/bit_string.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/check.h"

namespace octavo {
namespace {

// Eight bytes to eight nibbles. REQUIRES: no byte above 15.
uint32_t close_nibbles(uint64_t v) {
  v = (v | v >> 4) & 0x00FF00FF00FF00FF;
  v = (v | v >> 8) & 0x0000FFFF0000FFFF;
  return static_cast<uint32_t>(v | v >> 16);
}

// Widths of the planes of a value, low to high: powers of two that add up.
std::span<const int> planes_of(int bits) {
  static constexpr int kPlanes[9][3] = {{}, {}, {2}, {2, 1}, {4}, {4, 1}, {4, 2}, {4, 2, 1}, {8}};
  static constexpr int kCount[9] = {0, 0, 1, 2, 1, 2, 2, 3, 1};
  OCTAVO_CHECK(bits >= 2 && bits <= 8);
  return {kPlanes[bits], static_cast<size_t>(kCount[bits])};
}

}  // namespace

void unpack_string(std::span<const uint32_t> words, int bits, std::span<uint8_t> out) {
  OCTAVO_DCHECK(out.size() * static_cast<size_t>(bits) <= words.size() * 32);
  size_t i = 0;
  if (bits == 4 && std::endian::native == std::endian::little) {
    for (; i + 8 <= out.size(); i += 8) {
      const uint64_t bytes = spread_nibbles(words[i / 8]);
      std::memcpy(out.data() + i, &bytes, 8);
    }
  }
  const uint32_t mask = (1u << bits) - 1;
  for (; i < out.size(); ++i) {
    const size_t bit = i * static_cast<size_t>(bits), word = bit / 32;
    uint64_t pair = words[word];
    if (bit % 32 + static_cast<size_t>(bits) > 32) pair |= uint64_t{words[word + 1]} << 32;
    out[i] = static_cast<uint8_t>(pair >> (bit % 32) & mask);
  }
}

void pack_string(std::span<const uint8_t> values, int bits, std::span<uint32_t> words) {
  OCTAVO_DCHECK(words.size() == (values.size() * static_cast<size_t>(bits) + 31) / 32);
  std::ranges::fill(words, 0u);
  size_t i = 0;
  if (bits == 4 && std::endian::native == std::endian::little) {
    for (; i + 8 <= values.size(); i += 8) {
      uint64_t bytes;
      std::memcpy(&bytes, values.data() + i, 8);
      words[i / 8] = close_nibbles(bytes);
    }
  }
  for (; i < values.size(); ++i) {
    const size_t bit = i * static_cast<size_t>(bits), word = bit / 32;
    const uint64_t value = uint64_t{values[i]} << (bit % 32);
    words[word] |= static_cast<uint32_t>(value);
    if (value >> 32 != 0) words[word + 1] |= static_cast<uint32_t>(value >> 32);
  }
}

void unpack_planes(std::span<const uint32_t> words, int bits, std::span<uint8_t> out) {
  OCTAVO_DCHECK(out.size() % 32 == 0 && words.size() == out.size() / 32 * bits);
  for (size_t begin = 0; begin < out.size(); begin += 32) {
    const auto block = out.subspan(begin, 32);
    std::ranges::fill(block, uint8_t{0});
    size_t word = begin / 32 * static_cast<size_t>(bits);
    int shift = 0;
    for (const int width : planes_of(bits)) {
      for (int i = 0; i < 32; ++i) {
        const int bit = i * width;
        const uint32_t field = words[word + static_cast<size_t>(bit / 32)] >> (bit % 32);
        block[i] |= static_cast<uint8_t>((field & ((1u << width) - 1)) << shift);
      }
      word += static_cast<size_t>(width);
      shift += width;
    }
  }
}

void pack_planes(std::span<const uint8_t> values, int bits, std::span<uint32_t> words) {
  OCTAVO_DCHECK(values.size() % 32 == 0 && words.size() == values.size() / 32 * bits);
  std::ranges::fill(words, 0u);
  for (size_t begin = 0; begin < values.size(); begin += 32) {
    size_t word = begin / 32 * static_cast<size_t>(bits);
    int shift = 0;
    for (const int width : planes_of(bits)) {
      for (int i = 0; i < 32; ++i) {
        const int bit = i * width;
        const uint32_t field = values[begin + i] >> shift & ((1u << width) - 1);
        words[word + static_cast<size_t>(bit / 32)] |= field << (bit % 32);
      }
      word += static_cast<size_t>(width);
      shift += width;
    }
  }
}

}  // namespace octavo
