#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "tensor/block.h"
#include "tensor/dtype.h"

namespace octavo {

enum class Scheme : uint8_t {
  dense,   // elements of `dtype`
  affine,  // w = (q - zero) · scale with one scale and zero a group of `group_size` inputs of one
           // output row
  block,   // blocks of one of GGUF's formats (tensor/block.h)
};

// Where the bytes of a matrix lie. `rows` is the plain form that every reader and ops/reference
// understand:
//   dense:  elements [out, in];
//   affine: data   = unsigned codes, `bits` each, little-endian bit string a row [out,
//   ceil(in·bits/8) bytes],
//           scales = `dtype` [out, groups], zeros = u8 [out, groups] (always present; 2^(bits-1)
//           where symmetric);
//   block:  data   = the blocks as files hold them, rows one after another.
// `panels` is a kernel table's own order (documented in its header); bytes of one table are not
// read by another.
enum class Packing : uint8_t { rows, panels };

// How a matrix is stored: a value, never a class. A new format is a new combination here plus a
// kernel.
struct Format {
  Scheme scheme = Scheme::dense;
  DType dtype = DType::f32;  // of the elements (dense) or of the scales (affine)
  int bits = 0;              // affine: 2, 3, 4 or 8
  int64_t group_size = 0;    // affine: the last group may be shorter (per channel: = in)
  bool ordered =
      false;  // affine: groups follow Weight::order (act-order), not the position of the input
  Packing packing = Packing::rows;
  // block: the type; dtype, bits and group_size as its traits say (see block_format).
  BlockType block = BlockType::none;

  bool operator==(const Format&) const = default;
};

Format block_format(BlockType type);

// Groups of a row of `in` inputs. REQUIRES: not dense.
inline int64_t groups_of(const Format& format, int64_t in) {
  return (in + format.group_size - 1) / format.group_size;
}

// "bf16", "int4 g128 act-order"; for `inspect` and messages.
std::string to_string(const Format& format);

// A matrix [out, in] in some format: borrowed planes, owned by the model's memory.
struct Weight {
  Format format = {};
  int64_t out = 0, in = 0;
  std::span<const std::byte> data = {};
  std::span<const std::byte> scales = {};  // affine
  std::span<const std::byte> zeros = {};   // affine
  // ordered: code k of a row belongs to input order[k]; groups are consecutive codes.
  std::span<const int32_t> order = {};

  bool empty() const { return out == 0; }
  int64_t groups() const { return format.scheme == Scheme::dense ? 0 : groups_of(format, in); }
  size_t size_bytes() const {
    return data.size() + scales.size() + zeros.size() + order.size_bytes();
  }
};

// Bytes of the planes of a matrix in `rows` packing.
struct PlaneBytes {
  size_t data = 0, scales = 0, zeros = 0;
};
PlaneBytes plane_bytes(const Format& format, int64_t out, int64_t in);

// Element (row, k) of the stored order as float: k-th code of the row (dense: k-th input).
// REQUIRES: rows packing.
float element(const Weight& w, int64_t row, int64_t k);
// Scale of a group of an affine matrix. REQUIRES: rows packing.
float group_scale(const Weight& w, int64_t row, int64_t group);

}  // namespace octavo
