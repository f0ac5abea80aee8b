#pragma once

#include <span>

#include "quant/gptq_blocks.h"

namespace octavo::quant {

// A rounded matrix to be improved, everything in the order's positions.
struct GptqRefinement {
  const GptqOrder& order;
  GridRule rule;
  ConstMat hessian;          // [in, in] H, whole and symmetric
  Mat gradient;              // [out, in] (W - Q)·H, kept up to date
  std::span<Grid> grids;     // [out, groups]
  std::span<uint8_t> codes;  // [out, in]
};

// One round of coordinate descent on each row's (w - q)·H·(w - q)ᵀ, block by block: the codes one
// after the other to the best value while all others stay, then the scale of each group whose
// columns stand together to the best one, then the codes again. The sum never grows but for
// rounding.
void refine(Queue& queue, const Ops& ops, const GptqRefinement& refinement);

}  // namespace octavo::quant
