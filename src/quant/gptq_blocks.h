#pragma once

#include <span>

#include "quant/gptq_order.h"
#include "quant/grid.h"

namespace octavo::quant {

// Columns are rounded one after the other inside a block; what a block's errors mean for later
// columns is one product.
inline constexpr int64_t kGptqBlock = 128;

// The walk along the columns of a matrix, everything in the order's positions.
struct GptqWalk {
  const GptqOrder& order;
  GridRule rule;
  Mat weights;      // [out, in]; what is left to round, scratch afterwards
  ConstMat factor;  // [in, in] upper: U of linear_algebra.h
  // [in] what an error at a position costs, for the search of ranges; empty: they are not searched
  // but where the rule says so.
  std::span<const float> importance;
  std::span<Grid> grids;     // [out, groups]; read where the order fixes them, else written
  std::span<uint8_t> codes;  // [out, in]

  // Of weights that stand at positions from `begin` on.
  Grid fitted(std::span<const float> group, int64_t begin) const {
    return fit_range(group, rule,
                     importance.empty() ? importance : importance.subspan(begin, group.size()));
  }
  Grid& grid(int64_t row, int64_t position) const {
    return grids[row * order.group_count + order.groups[position]];
  }
};

// Rounds all columns, each row's error spread over its later columns (2210.17323, algorithm 1).
// Returns Σ (w - q)² / d² / 2.
double round_blocks(Queue& queue, const Ops& ops, const GptqWalk& walk);

// Grids of the weights as they are, and every weight to the nearest code.
void fit_grids(Queue& queue, const GptqWalk& walk);
void round_to_nearest(Queue& queue, const GptqWalk& walk);

}  // namespace octavo::quant
