#include "quant/gptq_refine.h"

#include <algorithm>
#include <vector>

#include "quant/vectors.h"

namespace octavo::quant {
namespace {

// Codes and scales in turn inside a block: cheap beside the product that a visit of it costs.
constexpr int kSweeps = 3;

// The scale with the least sum, all steps staying: `slope` is steps · gradient, `curvature` steps ·
// H · steps. Returns by how much it changed, 0 where the stored form of the best one is no better.
float improve_scale(Grid& grid, double slope, double curvature, DType dtype) {
  if (!(curvature > 0)) return 0;
  const float best = storable_scale(static_cast<float>(grid.scale + slope / curvature), dtype);
  const float change = best - grid.scale;
  if (!(2 * change * slope > double{change} * change * curvature)) return 0;
  grid.scale = best;
  return change;
}

// to += factor · from, whole vectors.
void add_scaled(float factor, const float* from, int64_t count, float* to) {
  const F4 f = splat(factor);
  for (int64_t j = 0; j < count; j += 4) store4(to + j, load4(to + j) + f * load4(from + j));
}

struct Block {
  int64_t begin, size;
  alignas(16) float hessian[kGptqBlock][kGptqBlock] = {};
  Mat gradient;  // [out, size] (W - Q) · H

  Block(const GptqRefinement& r, int64_t first, int64_t end) : begin(first), size(end - first) {
    for (int64_t i = 0; i < size; ++i)
      std::copy_n(r.hessian.at(begin + i, begin), size, hessian[i]);
  }
};

// One row of a block.
struct Row {
  const GptqRefinement& all;
  const Block& block;
  int64_t row;
  alignas(16) float gradient[kGptqBlock] = {}, steps[kGptqBlock] = {};  // steps: code - zero

  Row(const GptqRefinement& r, const Block& b, int64_t at) : all(r), block(b), row(at) {
    std::copy_n(block.gradient.at(row), block.size, gradient);
    for (int64_t i = 0; i < block.size; ++i)
      steps[i] = static_cast<float>(codes()[i] - grid(i).zero);
  }

  uint8_t* codes() const { return all.walk.codes.data() + row * all.walk.order.in() + block.begin; }
  Grid& grid(int64_t i) const { return all.walk.grid(row, block.begin + i); }

  bool improve_codes() {
    const float last = static_cast<float>((1 << all.walk.rule.bits) - 1);
    bool any = false;
    for (int64_t i = 0; i < block.size; ++i) {
      const Grid& g = grid(i);
      const float curvature = g.scale * block.hessian[i][i];
      if (!(curvature > 0)) continue;
      const float low = static_cast<float>(-g.zero);
      // Not std::clamp: what is not a number shall become one.
      const float wanted = std::max(low, std::min(low + last, steps[i] + gradient[i] / curvature));
      const float step = round4(splat(wanted))[0];
      if (step == steps[i]) continue;
      add_scaled((steps[i] - step) * g.scale, block.hessian[i], block.size, gradient);
      steps[i] = step;
      any = true;
    }
    return any;
  }

  // Of the group at columns [begin, end) of the block.
  bool improve_group(int64_t begin, int64_t end) {
    alignas(16) float product[kGptqBlock] = {};  // steps · H
    for (int64_t i = begin; i < end; ++i) {
      if (steps[i] != 0) add_scaled(steps[i], block.hessian[i], block.size, product);
    }
    double slope = 0, curvature = 0;
    for (int64_t i = begin; i < end; ++i) {
      slope += double{steps[i]} * gradient[i];
      curvature += double{steps[i]} * product[i];
    }
    const float change = improve_scale(grid(begin), slope, curvature, all.walk.rule.scale_dtype);
    if (change != 0) add_scaled(-change, product, block.size, gradient);
    return change != 0;
  }

  bool improve_scales() {
    bool any = false;
    for (int64_t i = 0; i < block.size;) {
      const int64_t end = all.walk.order.end_of_group(block.begin + i) - block.begin;
      if (end > i && end <= block.size) any |= improve_group(i, end);
      i = std::max(end, i + 1);
    }
    return any;
  }

  void run() {
    for (int sweep = 0; sweep < kSweeps; ++sweep) {
      if (!improve_codes() && sweep > 0) break;
      if (!improve_scales()) break;
      if (sweep == kSweeps - 1) improve_codes();
    }
    for (int64_t i = 0; i < block.size; ++i) {
      const Grid& g = grid(i);
      codes()[i] = static_cast<uint8_t>(steps[i] + static_cast<float>(g.zero));
      *all.errors.at(block.begin + i, row) =
          *all.weights.at(row, block.begin + i) - steps[i] * g.scale;
    }
  }
};

// Columns [begin, end) of m.
ConstMat columns(ConstMat m, int64_t begin, int64_t end) {
  return {m.data + begin, {m.rows(), end - begin}, {m.stride[0], 1}};
}

// gradient [out, size] = (W - Q) · H, columns from `begin` on.
void find_gradient(Queue& queue, const Ops& ops, const GptqRefinement& r, int64_t begin,
                   Mat gradient) {
  const int64_t end = begin + gradient.cols();
  ops.gemm(
      queue,
      {.a = r.errors, .b = columns(r.hessian, begin, end), .c = gradient, .form = GemmForm::atb});
}

// Of the group at positions [begin, end), which no block holds.
void improve_wide_group(Queue& queue, const Ops& ops, const GptqRefinement& r, int64_t begin,
                        int64_t end) {
  const int64_t out = r.weights.rows(), in = r.weights.cols(), size = end - begin;
  std::vector<float> step_values(out * size), products(out * size), gradients(out * size);
  const Mat steps(step_values.data(), {out, size}), product(products.data(), {out, size}),
      gradient(gradients.data(), {out, size});
  for (int64_t row = 0; row < out; ++row) {
    for (int64_t i = 0; i < size; ++i) {
      const int zero = r.walk.grid(row, begin).zero;
      *steps.at(row, i) = static_cast<float>(r.walk.codes[row * in + begin + i] - zero);
    }
  }
  const ConstMat own(r.hessian.at(begin, begin), {size, size}, {r.hessian.stride[0], 1});
  ops.gemm(queue, {.a = steps, .b = own, .c = product});
  find_gradient(queue, ops, r, begin, gradient);
  queue.pool().split(out, 16, [&](int64_t first, int64_t last, int) {
    for (int64_t row = first; row < last; ++row) {
      double slope = 0, curvature = 0;
      for (int64_t i = 0; i < size; ++i) {
        slope += double{*steps.at(row, i)} * *gradient.at(row, i);
        curvature += double{*steps.at(row, i)} * *product.at(row, i);
      }
      Grid& grid = r.walk.grid(row, begin);
      if (improve_scale(grid, slope, curvature, r.walk.rule.scale_dtype) == 0) continue;
      for (int64_t i = 0; i < size; ++i) {
        *r.errors.at(begin + i, row) =
            *r.weights.at(row, begin + i) - *steps.at(row, i) * grid.scale;
      }
    }
  });
}

}  // namespace

void find_errors(Queue& queue, const GptqRefinement& r) {
  const int64_t out = r.weights.rows(), in = r.weights.cols();
  queue.pool().split(out, 16, [&](int64_t begin, int64_t end, int) {
    // Squares of 16 rows: what is written across stays in the cache until its lines are full.
    for (int64_t first = begin; first < end; first += 16) {
      for (int64_t i = 0; i < in; ++i) {
        for (int64_t row = first; row < std::min(first + 16, end); ++row) {
          const Grid& grid = r.walk.grid(row, i);
          const auto step = static_cast<float>(r.walk.codes[row * in + i] - grid.zero);
          *r.errors.at(i, row) = *r.weights.at(row, i) - step * grid.scale;
        }
      }
    }
  });
}

void refine(Queue& queue, const Ops& ops, const GptqRefinement& r) {
  const int64_t out = r.weights.rows(), in = r.weights.cols();
  std::vector<float> gradient(out * kGptqBlock);
  const std::vector<int64_t> bounds = block_bounds(r.walk.order, kGptqBlock);
  for (size_t b = 0; b + 1 < bounds.size(); ++b) {
    Block block(r, bounds[b], bounds[b + 1]);
    block.gradient = {gradient.data(), {out, block.size}, {kGptqBlock, 1}};
    find_gradient(queue, ops, r, block.begin, block.gradient);
    queue.pool().split(out, 16, [&](int64_t begin, int64_t end, int) {
      for (int64_t row = begin; row < end; ++row) Row(r, block, row).run();
    });
  }
  for (int64_t i = 0; i < in;) {
    const int64_t end = r.walk.order.end_of_group(i);
    if (end - i > kGptqBlock) improve_wide_group(queue, ops, r, i, end);
    i = std::max(end, i + 1);
  }
}

}  // namespace octavo::quant
