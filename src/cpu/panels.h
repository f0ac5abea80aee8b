#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "ops/ops.h"
#include "tensor/queue.h"
#include "tensor/weight.h"

// How the tables of every x86 ISA keep a matrix (Packing::panels): one layout, so a file packed
// once serves AVX2, AVX-512 and AMX.
//
//   panel = 64 consecutive outputs, N padded to 64 with zeros; panels follow each other. A panel is
//   a sequence of B rows of 64 words, word c belonging to output c, so a kernel reads it front to
//   back:
//     f32        word = 4 B, one input a row
//     f16        word = 2 B, one input a row
//     bf16       word = 4 B, two inputs a row: input 2r in the low half, 2r+1 in the high half
//                (operand of vdpbf16ps; 16 rows by 16 words are a B tile of AMX)
//     b-bit code word = 4 B, C = 32/b inputs a row: input rC + 2i + j in bits [16j + bi, 16j +
//     bi+b),
//                so shift i and one mask give an operand pair; 3-bit codes are kept as 4-bit ones
//                For integer products the same words are bytes: shift bs and one mask give the
//                codes of inputs 2s, C/2 + 2s, 2s + 1, C/2 + 2s + 1
//     5, 6 bits  a row is 16 inputs: 64 words with the low nibbles of inputs 0-7 as above, 64 with
//                those of 8-15, then 64 words of 4 B with the upper two bits of each, those of the
//                bytes of word w, shift s (t = 2w + s) in bits [2t, 2t + 2) of the same byte; or of
//                2 B with the fifth bits, that of byte b in bit 4b + t
//   affine: scales [panel][group][64] of Format::dtype and zeros [panel][group][64] of u8 in their
//   planes.
//   block: scales [panel][block][64] of Format::dtype, with a minimum [panel][block][2][64]; where
//   groups have factors of these, they are i8 in the plane of the zeros, [panel][group][64] or
//   [panel][group][2][64]. "block" is a group where there are no factors.
//   K is padded with zeros to a multiple of 32 (bf16, and codes whose only group is the whole row).
namespace octavo::cpu {

inline constexpr int64_t kPanel = 64;  // outputs

// The shape of a panel of one format.
struct PanelShape {
  int64_t inputs = 0;          // K with its padding
  int64_t inputs_per_row = 1;  // of a B row
  int64_t row_bytes = 0;       // of a B row
  int64_t groups = 0;          // affine

  int64_t rows() const { return inputs / inputs_per_row; }
  int64_t bytes() const { return rows() * row_bytes; }
};

// What the words of a panel of codes hold.
enum class Codes : uint8_t { bits2, bits4, bits5, bits6, bits8, iq4, e2m1 };
Codes codes_of(const Format& format);

// Where the scales of a block format lie.
struct BlockScales {
  int64_t group_blocks = 1;  // groups that share a scale (and minimum)
  int64_t scales = 1;        // vectors of 64 of a block: scale, minimum
  int64_t factors = 0;       // vectors of 64 of a group
};
BlockScales block_scales(const Format& format);

// Bits a code takes in a panel.
constexpr int stored_bits(int bits) { return bits == 3 ? 4 : bits; }

// Whether a matrix of this format can be kept in panels: a dense one of f32, f16 or bf16, an affine
// one of 2, 3, 4 or 8 bits whose group is a multiple of 16 or the whole row, any block format.
bool fits_panels(const Format& format, int64_t in);

// REQUIRES: fits_panels.
PanelShape panel_shape(const Format& format, int64_t in);

inline int64_t panel_count(int64_t out) { return (out + kPanel - 1) / kPanel; }

// Entries of a table; see ops.h.
Format preferred(const Format& source, int64_t out, int64_t in, Compute compute);
PlaneBytes planes(const Format& format, int64_t out, int64_t in);
void pack(const Weight& rows, int64_t first_row, const Weight& target);
void unpack_row(const Weight& w, int64_t row, std::span<float> out) noexcept;
void embed(Queue& queue, const Weight& table, std::span<const int32_t> ids, float scale,
           Mat y) noexcept;

// The table with all of these.
Ops overlay_panels(Ops table);

}  // namespace octavo::cpu
