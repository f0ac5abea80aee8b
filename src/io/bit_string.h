#pragma once

#include <cstdint>
#include <span>

namespace octavo {

// Eight nibbles to eight bytes, the lowest first.
inline uint64_t spread_nibbles(uint32_t word) {
  uint64_t v = word;
  v = (v | v << 16) & 0x0000FFFF0000FFFF;
  v = (v | v << 8) & 0x00FF00FF00FF00FF;
  return (v | v << 4) & 0x0F0F0F0F0F0F0F0F;
}

// Values of `bits` each as one little-endian bit string in 32-bit words, value i at bit i·bits.
// REQUIRES: out.size() · bits <= words.size() · 32.
void unpack_string(std::span<const uint32_t> words, int bits, std::span<uint8_t> out);
// Whole words; what is left of the last is 0. REQUIRES: words.size() = ceil(values · bits / 32).
void pack_string(std::span<const uint8_t> values, int bits, std::span<uint32_t> words);

// GPTQModel's planes: `bits` words hold 32 values as strings of 4, 2 or 1 bits, the low ones first
// (5 bits: four words of the low four, one of the fifth). REQUIRES: values a multiple of 32.
void unpack_planes(std::span<const uint32_t> words, int bits, std::span<uint8_t> out);
void pack_planes(std::span<const uint8_t> values, int bits, std::span<uint32_t> words);

}  // namespace octavo
