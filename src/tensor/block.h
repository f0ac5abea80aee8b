#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "tensor/dtype.h"

// The block formats of GGUF files as values: a row of a matrix is a sequence of blocks, each a few
// bytes of scales and the codes of 32 or 256 inputs. Bytes are little-endian; docs/guides/gguf.md
// lists the layouts.

namespace octavo {

enum class BlockType : uint8_t {
  none,  // not a block format
  q4_0,
  q4_1,
  q5_0,
  q5_1,
  q8_0,
  q2_k,
  q3_k,
  q4_k,
  q5_k,
  q6_k,
  iq4_nl,
  iq4_xs,
  tq1_0,
  tq2_0,
  mxfp4
};

// What an element is, given its code q, the group's scale s and minimum m:
//   (q - zero) · s - m, or table[q] · s.
// Without a scale of its own a group has the block's: s = scale · sub_scale, m = minimum · sub_min.
struct BlockTraits {
  std::string_view name;
  int elements = 0, bytes = 0;  // of a block
  int bits = 0;                 // of a code: 2, 3, 4, 5, 6 or 8
  int group = 0;                // elements that share s and m
  int zero = 0;
  bool minimum = false;     // the block has one
  bool sub_scales = false;  // the groups have integer factors of scale (and minimum)
  const int8_t* table = nullptr;
  DType scale_dtype = DType::f16;  // in which scale and minimum are exact
};

// REQUIRES: type is not `none`.
const BlockTraits& traits(BlockType type);

inline constexpr int kMaxBlockElements = 256, kMaxBlockGroups = 16;

// Values of the 4-bit codes of IQ4_NL and IQ4_XS, and of the elements of MXFP4 (E2M1, doubled).
inline constexpr std::array<int8_t, 16> kIq4Values = {-127, -104, -83, -65, -49, -35, -22, -10,
                                                      1,    13,   25,  38,  53,  69,  89,  113};
inline constexpr std::array<int8_t, 16> kE2m1Values = {0, 1,  2,  3,  4,  6,  8,  12,
                                                       0, -1, -2, -3, -4, -6, -8, -12};

// A block taken apart.
struct BlockParts {
  float scale = 0, minimum = 0;
  std::array<int8_t, kMaxBlockGroups> sub_scales{}, sub_minima{};  // of sub_scales formats
  std::array<uint8_t, kMaxBlockElements> codes{};

  float group_scale(const BlockTraits& t, int group) const {
    return t.sub_scales ? scale * static_cast<float>(sub_scales[group]) : scale;
  }
  float group_minimum(const BlockTraits& t, int group) const {
    return t.sub_scales ? minimum * static_cast<float>(sub_minima[group]) : minimum;
  }
};

void split_block(BlockType type, const std::byte* block, BlockParts& parts);

// An element as float: the one place where the rounding of (q - zero) · s - m is said.
inline float block_element(const BlockTraits& t, int code, float scale, float minimum) {
  const int value = t.table != nullptr ? t.table[code] : code - t.zero;
  const float product = scale * static_cast<float>(value);
  return t.minimum ? product - minimum : product;
}

// `count` elements of consecutive blocks from element 0 on. REQUIRES: count a multiple of
// traits(type).elements.
void dequantize(BlockType type, const std::byte* blocks, int64_t count, float* out);

}  // namespace octavo
