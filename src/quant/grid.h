#pragma once

#include <cstdint>
#include <span>

#include "tensor/dtype.h"

namespace octavo::quant {

// The grid of one group: w ≈ (q - zero) · scale with q in [0, 2^bits).
struct Grid {
  float scale = 1;  // as it will be stored: rounded to the scales' dtype
  int zero = 0;
};

// round((w / scale) + zero) to nearest even, clamped to the codes.
int code_of(float w, const Grid& grid, int bits);

// How GPTQ lays a grid over a group of weights.
struct GridRule {
  int bits = 4;
  bool symmetric = false;  // the zero at 2^(bits-1)
  // Above 0: of 80 ranges, each 1 % of the whole one smaller, the one with the least Σ |error|^mse;
  // asymmetric 2-bit grids try both whole zeros next to the exact one as well.
  float mse = 0;
  DType scale_dtype = DType::f16;
  int lowest_zero = 0;  // zeros below become it, and the scale grows to keep the range
};

// `scale` as `dtype` keeps it, at least its smallest and at most its largest number.
float storable_scale(float scale, DType dtype);

// The grid over the group's range, 0 included: 2^bits - 1 steps from least to largest, symmetric:
// of twice the largest magnitude (so that the positive end is cut by half a step). An all-zero
// group spans -1..1. The scale is positive, finite and exact in scale_dtype. REQUIRES: 2 <= bits
// <= 8. Values that are not finite count as 0.
//
// With `importance` (one for each value) the errors of the search count so often; where the rule
// asks for none, one from coarse to fine for the least Σ importance · error² is made, with those
// zeros up to 4 bits.
Grid fit_range(std::span<const float> group, const GridRule& rule,
               std::span<const float> importance = {});

// round(w / scale) + zero, to the nearest code; ties to the even step. NaN gets a code as well.
uint8_t nearest_code(float w, const Grid& grid, int bits);

}  // namespace octavo::quant
