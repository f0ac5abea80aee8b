#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "tensor/dtype.h"

namespace octavo::quant {

// The grid of one group: w ≈ (q - zero) · scale with q in [0, 2^bits).
struct Grid {
  float scale = 1;  // as it will be stored: rounded to the scales' dtype
  int zero = 0;
};

// The grid that spans the group's values (and 0). Symmetric: zero at 2^(bits-1), the larger side on
// the last code. An empty or constant-zero group gets scale 1. Scales are positive and finite for
// finite values.
Grid fit_grid(std::span<const float> group, int bits, bool symmetric, DType scale_dtype);

// round((w / scale) + zero) to nearest even, clamped to the codes.
int code_of(float w, const Grid& grid, int bits);

// Planes of some rows in `rows` packing (tensor/weight.h) and what was lost.
struct PackedRows {
  std::vector<std::byte> data, scales;
  std::vector<uint8_t> zeros;
  double squared_error = 0, squared_norm = 0, largest_error = 0;
};

// Quantizes rows [n, in], row after row; the last group of a row may be shorter. REQUIRES: values
// finite.
PackedRows round_rows(std::span<const float> rows, int64_t in, int bits, int64_t group_size,
                      bool symmetric, DType scale_dtype);

}  // namespace octavo::quant
