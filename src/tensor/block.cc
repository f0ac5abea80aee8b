#include "tensor/block.h"

#include <cstring>

#include "base/check.h"
#include "base/half.h"

namespace octavo {
namespace {

int at(const std::byte* bytes, int index) { return std::to_integer<int>(bytes[index]); }

float half_at(const std::byte* bytes, int index) {
  Float16 value;
  std::memcpy(&value, bytes + index, 2);
  return to_float(value);
}

// Codes of 32 elements in 16 bytes: low nibbles the first half, high nibbles the second.
void nibbles(const std::byte* bytes, uint8_t* codes) {
  for (int i = 0; i < 16; ++i) {
    codes[i] = static_cast<uint8_t>(at(bytes, i) & 15);
    codes[16 + i] = static_cast<uint8_t>(at(bytes, i) >> 4);
  }
}

// Bit 4 of the codes of 32 elements: bit i of a 32-bit word is element i's.
void fifth_bits(const std::byte* bytes, uint8_t* codes) {
  uint32_t word;
  std::memcpy(&word, bytes, 4);
  for (int i = 0; i < 32; ++i) codes[i] |= static_cast<uint8_t>((word >> i & 1) << 4);
}

void split_q8_0(const std::byte* b, BlockParts& p) {
  p.scale = half_at(b, 0);
  for (int i = 0; i < 32; ++i) p.codes[i] = static_cast<uint8_t>(at(b, 2 + i) ^ 0x80);
}

// The 4- and 5-bit formats of 32 elements: scale, minimum if any, fifth bits if any, nibbles. Their
// minimum is added, ours is subtracted.
void split_small(const BlockTraits& t, const std::byte* b, BlockParts& p) {
  p.scale = half_at(b, 0);
  b += 2;
  if (t.minimum) {
    p.minimum = -half_at(b, 0);
    b += 2;
  }
  const std::byte* const fifth = b;
  if (t.bits == 5) b += 4;
  nibbles(b, p.codes.data());
  if (t.bits == 5) fifth_bits(fifth, p.codes.data());
}

// 2-bit codes of 256 elements in two runs of 32 bytes: bits 2j, 2j+1 of byte i are element 32 j + i
// of the run's 128.
void pairs_of_bits(const std::byte* bytes, uint8_t* codes) {
  for (int run = 0; run < 2; ++run) {
    for (int j = 0; j < 4; ++j) {
      for (int i = 0; i < 32; ++i)
        codes[128 * run + 32 * j + i] =
            static_cast<uint8_t>(at(bytes, 32 * run + i) >> (2 * j) & 3);
    }
  }
}

void split_q2_k(const std::byte* b, BlockParts& p) {
  for (int g = 0; g < 16; ++g) {
    p.sub_scales[g] = static_cast<int8_t>(at(b, g) & 15);
    p.sub_minima[g] = static_cast<int8_t>(at(b, g) >> 4);
  }
  pairs_of_bits(b + 16, p.codes.data());
  p.scale = half_at(b, 80);
  p.minimum = half_at(b, 82);
}

// 32 bytes of third bits (element 32 j + i: bit j of byte i), 64 of low bits, 12 of 6-bit scales.
void split_q3_k(const std::byte* b, BlockParts& p) {
  pairs_of_bits(b + 32, p.codes.data());
  for (int k = 0; k < 256; ++k)
    p.codes[k] |= static_cast<uint8_t>((at(b, k % 32) >> (k / 32) & 1) << 2);
  for (int g = 0; g < 16; ++g) {
    const int low = at(b, 96 + g % 8) >> (g / 8 * 4) & 15;
    const int high = at(b, 104 + g % 4) >> (g / 4 * 2) & 3;
    p.sub_scales[g] = static_cast<int8_t>((low | high << 4) - 32);
  }
  p.scale = half_at(b, 108);
}

// Eight 6-bit scales and minima in 12 bytes: the first four of each lie in the low bits of bytes
// 0-3 and 4-7, the others in the nibbles of 8-11 and the two bits left over of 0-7.
void split_k_scales(const std::byte* b, BlockParts& p) {
  for (int g = 0; g < 4; ++g) {
    p.sub_scales[g] = static_cast<int8_t>(at(b, g) & 63);
    p.sub_minima[g] = static_cast<int8_t>(at(b, 4 + g) & 63);
    p.sub_scales[4 + g] = static_cast<int8_t>((at(b, 8 + g) & 15) | at(b, g) >> 6 << 4);
    p.sub_minima[4 + g] = static_cast<int8_t>(at(b, 8 + g) >> 4 | at(b, 4 + g) >> 6 << 4);
  }
}

// Nibbles in runs of 32 bytes: low ones 32 elements, high ones the next 32.
void long_nibbles(const std::byte* bytes, uint8_t* codes) {
  for (int run = 0; run < 4; ++run) {
    for (int i = 0; i < 32; ++i) {
      codes[64 * run + i] = static_cast<uint8_t>(at(bytes, 32 * run + i) & 15);
      codes[64 * run + 32 + i] = static_cast<uint8_t>(at(bytes, 32 * run + i) >> 4);
    }
  }
}

void split_q4_k(const std::byte* b, BlockParts& p) {
  p.scale = half_at(b, 0);
  p.minimum = half_at(b, 2);
  split_k_scales(b + 4, p);
  long_nibbles(b + 16, p.codes.data());
}

void split_q5_k(const std::byte* b, BlockParts& p) {
  p.scale = half_at(b, 0);
  p.minimum = half_at(b, 2);
  split_k_scales(b + 4, p);
  long_nibbles(b + 48, p.codes.data());
  for (int k = 0; k < 256; ++k)
    p.codes[k] |= static_cast<uint8_t>((at(b, 16 + k % 32) >> (k / 32) & 1) << 4);
}

// Two runs of 128: 64 bytes of nibbles (low ones 64 elements, high ones 64), 32 bytes of upper bits
// (bits 2j, 2j+1 of byte i: element 32 j + i).
void split_q6_k(const std::byte* b, BlockParts& p) {
  for (int run = 0; run < 2; ++run) {
    for (int k = 0; k < 128; ++k) {
      const int low = at(b, 64 * run + k % 64) >> (k / 64 * 4) & 15;
      const int high = at(b, 128 + 32 * run + k % 32) >> (k / 32 * 2) & 3;
      p.codes[128 * run + k] = static_cast<uint8_t>(low | high << 4);
    }
  }
  for (int g = 0; g < 16; ++g) p.sub_scales[g] = static_cast<int8_t>(at(b, 192 + g));
  p.scale = half_at(b, 208);
}

void split_iq4_xs(const std::byte* b, BlockParts& p) {
  p.scale = half_at(b, 0);
  const int high = at(b, 2) | at(b, 3) << 8;
  for (int g = 0; g < 8; ++g) {
    const int low = at(b, 4 + g / 2) >> (g % 2 * 4) & 15;
    p.sub_scales[g] = static_cast<int8_t>((low | (high >> (2 * g) & 3) << 4) - 32);
    nibbles(b + 8 + 16 * g, p.codes.data() + 32 * g);
  }
}

// Five (in the last four bytes: four) base-3 digits a byte, scaled so that digit n is the upper
// part of byte · 3^(n+1) / 256.
void split_tq1_0(const std::byte* b, BlockParts& p) {
  struct Run {
    int begin, bytes, digits;
  };
  static constexpr Run kRuns[] = {{0, 32, 5}, {32, 16, 5}, {48, 4, 4}};
  int k = 0;
  for (const Run& run : kRuns) {
    int power = 1;
    for (int digit = 0; digit < run.digits; ++digit, power *= 3) {
      for (int i = 0; i < run.bytes; ++i) {
        const int rest = at(b, run.begin + i) * power & 255;
        p.codes[k++] = static_cast<uint8_t>(rest * 3 >> 8);
      }
    }
  }
  p.scale = half_at(b, 52);
}

void split_tq2_0(const std::byte* b, BlockParts& p) {
  pairs_of_bits(b, p.codes.data());
  p.scale = half_at(b, 64);
}

// The scale is an exponent (E8M0); half of it, as the values are doubled.
void split_mxfp4(const std::byte* b, BlockParts& p) {
  const auto exponent = static_cast<uint32_t>(at(b, 0));
  const uint32_t bits = exponent < 2 ? 0x00200000u << exponent : (exponent - 1) << 23;
  std::memcpy(&p.scale, &bits, 4);
  nibbles(b + 1, p.codes.data());
}

constexpr BlockTraits kTraits[] = {
    {},
    {.name = "Q4_0", .elements = 32, .bytes = 18, .bits = 4, .group = 32, .zero = 8},
    {.name = "Q4_1", .elements = 32, .bytes = 20, .bits = 4, .group = 32, .minimum = true},
    {.name = "Q5_0", .elements = 32, .bytes = 22, .bits = 5, .group = 32, .zero = 16},
    {.name = "Q5_1", .elements = 32, .bytes = 24, .bits = 5, .group = 32, .minimum = true},
    {.name = "Q8_0", .elements = 32, .bytes = 34, .bits = 8, .group = 32, .zero = 128},
    {.name = "Q2_K",
     .elements = 256,
     .bytes = 84,
     .bits = 2,
     .group = 16,
     .minimum = true,
     .sub_scales = true},
    {.name = "Q3_K",
     .elements = 256,
     .bytes = 110,
     .bits = 3,
     .group = 16,
     .zero = 4,
     .sub_scales = true},
    {.name = "Q4_K",
     .elements = 256,
     .bytes = 144,
     .bits = 4,
     .group = 32,
     .minimum = true,
     .sub_scales = true},
    {.name = "Q5_K",
     .elements = 256,
     .bytes = 176,
     .bits = 5,
     .group = 32,
     .minimum = true,
     .sub_scales = true},
    {.name = "Q6_K",
     .elements = 256,
     .bytes = 210,
     .bits = 6,
     .group = 16,
     .zero = 32,
     .sub_scales = true},
    {.name = "IQ4_NL",
     .elements = 32,
     .bytes = 18,
     .bits = 4,
     .group = 32,
     .table = kIq4Values.data()},
    {.name = "IQ4_XS",
     .elements = 256,
     .bytes = 136,
     .bits = 4,
     .group = 32,
     .sub_scales = true,
     .table = kIq4Values.data()},
    {.name = "TQ1_0", .elements = 256, .bytes = 54, .bits = 2, .group = 256, .zero = 1},
    {.name = "TQ2_0", .elements = 256, .bytes = 66, .bits = 2, .group = 256, .zero = 1},
    {.name = "MXFP4",
     .elements = 32,
     .bytes = 17,
     .bits = 4,
     .group = 32,
     .table = kE2m1Values.data(),
     .scale_dtype = DType::bf16},
};

}  // namespace

const BlockTraits& traits(BlockType type) {
  OCTAVO_CHECK(type != BlockType::none);
  return kTraits[static_cast<size_t>(type)];
}

void split_block(BlockType type, const std::byte* block, BlockParts& parts) {
  switch (type) {
    case BlockType::none:
      break;
    case BlockType::q4_0:
    case BlockType::q4_1:
    case BlockType::q5_0:
    case BlockType::q5_1:
    case BlockType::iq4_nl:
      return split_small(traits(type), block, parts);
    case BlockType::q8_0:
      return split_q8_0(block, parts);
    case BlockType::q2_k:
      return split_q2_k(block, parts);
    case BlockType::q3_k:
      return split_q3_k(block, parts);
    case BlockType::q4_k:
      return split_q4_k(block, parts);
    case BlockType::q5_k:
      return split_q5_k(block, parts);
    case BlockType::q6_k:
      return split_q6_k(block, parts);
    case BlockType::iq4_xs:
      return split_iq4_xs(block, parts);
    case BlockType::tq1_0:
      return split_tq1_0(block, parts);
    case BlockType::tq2_0:
      return split_tq2_0(block, parts);
    case BlockType::mxfp4:
      return split_mxfp4(block, parts);
  }
  OCTAVO_CHECK(false);
}

void dequantize(BlockType type, const std::byte* blocks, int64_t count, float* out) {
  const BlockTraits& t = traits(type);
  OCTAVO_DCHECK(count % t.elements == 0);
  BlockParts parts;
  for (int64_t done = 0; done < count; done += t.elements, blocks += t.bytes) {
    split_block(type, blocks, parts);
    for (int k = 0; k < t.elements; ++k) {
      const int g = k / t.group;
      *out++ = block_element(t, parts.codes[k], parts.group_scale(t, g), parts.group_minimum(t, g));
    }
  }
}

}  // namespace octavo
