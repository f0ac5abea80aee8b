#include "quant/gptq_blocks.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "quant/vectors.h"

namespace octavo::quant {
namespace {

constexpr int64_t kRows = 4;  // of a tile: one to a lane

// Rows and columns of a block of the factor with 0 on and below the diagonal, so that whole vectors
// of a row can be taken.
struct Triangle {
  alignas(16) float rows[kGptqBlock][kGptqBlock] = {};

  Triangle(ConstMat m, int64_t begin, int64_t size) {
    for (int64_t i = 0; i < size; ++i)
      std::copy(m.at(begin + i, begin) + i + 1, m.at(begin + i, begin) + size, rows[i] + i + 1);
  }
};

struct Block {
  int64_t begin, size;
  Triangle factor;
  float diagonal[kGptqBlock];
  Mat errors;  // [out, size] (w - q) / d

  Block(const GptqWalk& walk, int64_t first, int64_t end)
      : begin(first), size(end - first), factor(walk.factor, first, size) {
    for (int64_t i = 0; i < size; ++i) diagonal[i] = *walk.factor.at(begin + i, begin + i);
  }
};

// The codes of four weights, one a row, under each row's grid.
struct Lanes {
  F4 scale, low, high;

  Lanes(const Grid (&grids)[kRows], int bits) {
    for (int64_t r = 0; r < kRows; ++r) {
      scale[r] = grids[r].scale;
      low[r] = static_cast<float>(-grids[r].zero);
    }
    high = low + static_cast<float>((1 << bits) - 1);
  }
  F4 step_of(F4 w) const { return round4(max4(min4(w / scale, high), low)); }
};

// Up to four rows of a block.
struct Tile {
  const GptqWalk& walk;
  const Block& block;
  int64_t row, count;
  alignas(16) float now[kRows][kGptqBlock] = {}, before[kRows][kGptqBlock] = {};
  double loss[kRows] = {};

  Tile(const GptqWalk& w, const Block& b, int64_t first)
      : walk(w), block(b), row(first), count(std::min(kRows, w.weights.rows() - first)) {
    for (int64_t r = 0; r < count; ++r) {
      std::copy_n(walk.weights.at(row + r, block.begin), block.size, now[r]);
      std::copy_n(now[r], block.size, before[r]);
    }
  }

  // The group that begins at column i of the block. Plain ranges come from the weights as they
  // stood before the block, as in the reference: what earlier columns of the block have pushed
  // about widens them (6 % more error at 2 bits with groups of 32). A range search knows what to
  // cut and does better on the weights as they are (4 % less at 4 bits).
  void fit(int64_t i) {
    const int64_t first = block.begin + i, end = walk.order.end_of_group(first);
    const auto length = static_cast<size_t>(end - first);
    const bool searched = walk.rule.mse > 0 || !walk.importance.empty();
    const auto& tile = searched ? now : before;
    for (int64_t r = 0; r < count; ++r) {
      const float* const from =
          i + end - first <= block.size ? tile[r] + i : walk.weights.at(row + r, first);
      walk.grid(row + r, first) = walk.fitted({from, length}, first);
    }
  }

  Lanes lanes(int64_t i) const {
    Grid own[kRows];
    for (int64_t r = 0; r < count; ++r) own[r] = walk.grid(row + r, block.begin + i);
    return Lanes(own, walk.rule.bits);
  }

  void spread(int64_t i, F4 error) {
    const float* const factor = block.factor.rows[i];
    for (int64_t r = 0; r < count; ++r) {
      float* const to = now[r];
      for (int64_t j = i & ~int64_t{3}; j < block.size; j += 4)
        store4(to + j, load4(to + j) - error[r] * load4(factor + j));
    }
  }

  void run() {
    const auto& order = walk.order;
    const int64_t in = order.in();
    int32_t group = -1;
    Lanes grids = lanes(0);
    for (int64_t i = 0; i < block.size; ++i) {
      const int64_t at = block.begin + i;
      if (order.groups[at] != group) {
        group = order.groups[at];
        if (!order.fixed_grids && (at == 0 || order.groups[at - 1] != group)) fit(i);
        grids = lanes(i);
      }
      const F4 w{now[0][i], now[1][i], now[2][i], now[3][i]};
      const F4 step = grids.step_of(w);
      const F4 error = (w - step * grids.scale) / block.diagonal[i];
      for (int64_t r = 0; r < count; ++r) {
        walk.codes[(row + r) * in + at] = static_cast<uint8_t>(step[r] - grids.low[r]);
        *block.errors.at(row + r, i) = error[r];
        loss[r] += double{error[r]} * error[r] / 2;
      }
      spread(i, error);
    }
  }
};

}  // namespace

double round_blocks(Queue& queue, const Ops& ops, const GptqWalk& walk) {
  const int64_t out = walk.weights.rows(), in = walk.weights.cols();
  std::vector<float> errors(out * kGptqBlock);
  std::vector<double> losses(out);
  const std::vector<int64_t> bounds = block_bounds(walk.order, kGptqBlock);
  for (size_t b = 0; b + 1 < bounds.size(); ++b) {
    Block block(walk, bounds[b], bounds[b + 1]);
    block.errors = {errors.data(), {out, block.size}, {kGptqBlock, 1}};
    queue.pool().each((out + kRows - 1) / kRows, [&](int64_t item, int) {
      Tile tile(walk, block, item * kRows);
      tile.run();
      for (int64_t r = 0; r < tile.count; ++r) losses[tile.row + r] += tile.loss[r];
    });
    const int64_t end = bounds[b + 1];
    if (end == in) break;
    ops.gemm(queue, {.a = block.errors,
                     .b = {walk.factor.at(block.begin, end),
                           {block.size, in - end},
                           {walk.factor.stride[0], 1}},
                     .c = {walk.weights.at(0, end), {out, in - end}, {walk.weights.stride[0], 1}},
                     .alpha = -1,
                     .into = Into::add});
  }
  double loss = 0;
  for (const double l : losses) loss += l;
  return loss;
}

void fit_grids(Queue& queue, const GptqWalk& walk) {
  const GptqOrder& order = walk.order;
  std::vector<std::vector<int32_t>> members(order.group_count);
  for (int64_t i = 0; i < order.in(); ++i)
    members[order.groups[i]].push_back(static_cast<int32_t>(i));
  queue.pool().split(walk.weights.rows(), 1, [&](int64_t begin, int64_t end, int) {
    std::vector<float> group, importance;
    for (int64_t row = begin; row < end; ++row) {
      for (const std::vector<int32_t>& positions : members) {
        group.clear();
        importance.clear();
        for (const int32_t i : positions) {
          group.push_back(*walk.weights.at(row, i));
          if (!walk.importance.empty()) importance.push_back(walk.importance[i]);
        }
        walk.grid(row, positions[0]) = fit_range(group, walk.rule, importance);
      }
    }
  });
}

void round_to_nearest(Queue& queue, const GptqWalk& walk) {
  const int64_t in = walk.weights.cols();
  queue.pool().split(walk.weights.rows(), 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t row = begin; row < end; ++row) {
      for (int64_t i = 0; i < in; ++i) {
        walk.codes[row * in + i] =
            nearest_code(*walk.weights.at(row, i), walk.grid(row, i), walk.rule.bits);
      }
    }
  });
}

}  // namespace octavo::quant
