#pragma once

#include "quant/gptq_blocks.h"

namespace octavo::quant {

// What a walk found, to be improved.
struct GptqRefinement {
  const GptqWalk& walk;  // its codes and grids; its own weights are not looked at
  ConstMat weights;      // [out, in] in the order's positions
  ConstMat hessian;      // [in, in] H, whole and symmetric
  Mat errors;            // [in, out] (W - Q)ᵀ, kept up to date
};

// (W - Q)ᵀ into errors.
void find_errors(Queue& queue, const GptqRefinement& refinement);

// One round of coordinate descent on each row's (w - q)·H·(w - q)ᵀ, block by block: the codes one
// after the other to the best value while all others stay, then the scale of each group whose
// columns stand together to the best one, some times. The sum never grows but for rounding.
void refine(Queue& queue, const Ops& ops, const GptqRefinement& refinement);

}  // namespace octavo::quant
