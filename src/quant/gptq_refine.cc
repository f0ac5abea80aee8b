#include "quant/gptq_refine.h"

#include <algorithm>
#include <vector>

#include "quant/vectors.h"

namespace octavo::quant {
namespace {

Grid& grid_at(const GptqRefinement& r, int64_t row, int64_t position) {
  return r.grids[row * r.order.group_count + r.order.groups[position]];
}

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

struct Block {
  int64_t begin, size;
  alignas(16) float hessian[kGptqBlock][kGptqBlock] = {};
  Mat changes;  // [out, size] of the values

  Block(const GptqRefinement& r, int64_t first, int64_t end) : begin(first), size(end - first) {
    for (int64_t i = 0; i < size; ++i)
      std::copy_n(r.hessian.at(begin + i, begin), size, hessian[i]);
  }
};

// to += factor · from, whole vectors.
void add_scaled(float factor, const float* from, int64_t count, float* to) {
  const F4 f = splat(factor);
  for (int64_t j = 0; j < count; j += 4) store4(to + j, load4(to + j) + f * load4(from + j));
}

// One row of a block.
struct Row {
  const GptqRefinement& all;
  const Block& block;
  int64_t row;
  alignas(16) float gradient[kGptqBlock] = {}, steps[kGptqBlock] = {};  // steps: code - zero
  float values[kGptqBlock];                                             // before

  Row(const GptqRefinement& r, const Block& b, int64_t at) : all(r), block(b), row(at) {
    std::copy_n(all.gradient.at(row, block.begin), block.size, gradient);
    for (int64_t i = 0; i < block.size; ++i) {
      const Grid& g = grid(i);
      steps[i] = static_cast<float>(codes()[i] - g.zero);
      values[i] = steps[i] * g.scale;
    }
  }

  uint8_t* codes() const { return all.codes.data() + row * all.order.in() + block.begin; }
  Grid& grid(int64_t i) const { return grid_at(all, row, block.begin + i); }

  void improve_codes() {
    const float last = static_cast<float>((1 << all.rule.bits) - 1);
    for (int64_t i = 0; i < block.size; ++i) {
      const Grid& g = grid(i);
      const float curvature = g.scale * block.hessian[i][i];
      if (!(curvature > 0)) continue;
      const float low = static_cast<float>(-g.zero);
      const float wanted = std::clamp(steps[i] + gradient[i] / curvature, low, low + last);
      const float step = round4(splat(wanted))[0];
      if (step == steps[i]) continue;
      add_scaled((steps[i] - step) * g.scale, block.hessian[i], block.size, gradient);
      steps[i] = step;
    }
  }

  // Of the group at columns [begin, end) of the block.
  void improve_group(int64_t begin, int64_t end) {
    alignas(16) float product[kGptqBlock] = {};  // steps · H
    for (int64_t i = begin; i < end; ++i) {
      if (steps[i] != 0) add_scaled(steps[i], block.hessian[i], block.size, product);
    }
    double slope = 0, curvature = 0;
    for (int64_t i = begin; i < end; ++i) {
      slope += double{steps[i]} * gradient[i];
      curvature += double{steps[i]} * product[i];
    }
    const float change = improve_scale(grid(begin), slope, curvature, all.rule.scale_dtype);
    if (change != 0) add_scaled(-change, product, block.size, gradient);
  }

  // Returns whether a whole group lies in the block.
  bool improve_scales() {
    bool any = false;
    for (int64_t i = 0; i < block.size;) {
      const int64_t end = all.order.end_of_group(block.begin + i) - block.begin;
      if (end > i && end <= block.size) {
        improve_group(i, end);
        any = true;
      }
      i = std::max(end, i + 1);
    }
    return any;
  }

  void run() {
    improve_codes();
    if (improve_scales()) improve_codes();
    std::copy_n(gradient, block.size, all.gradient.at(row, block.begin));
    for (int64_t i = 0; i < block.size; ++i) {
      const Grid& g = grid(i);
      codes()[i] = static_cast<uint8_t>(steps[i] + static_cast<float>(g.zero));
      *block.changes.at(row, i) = steps[i] * g.scale - values[i];
    }
  }
};

// Of the group at positions [begin, end), which no block holds.
void improve_wide_group(Queue& queue, const Ops& ops, const GptqRefinement& r, int64_t begin,
                        int64_t end) {
  const int64_t out = r.gradient.rows(), in = r.order.in(), size = end - begin;
  std::vector<float> steps(out * size), products(out * in);
  for (int64_t row = 0; row < out; ++row) {
    const Grid& g = grid_at(r, row, begin);
    for (int64_t i = 0; i < size; ++i)
      steps[row * size + i] = static_cast<float>(r.codes[row * in + begin + i] - g.zero);
  }
  ops.gemm(queue, {.a = {steps.data(), {out, size}},
                   .b = {r.hessian.at(begin), {size, in}, {r.hessian.stride[0], 1}},
                   .c = {products.data(), {out, in}}});
  queue.pool().split(out, 1, [&](int64_t first, int64_t last, int) {
    for (int64_t row = first; row < last; ++row) {
      const float* const product = products.data() + row * in;
      float* const gradient = r.gradient.at(row);
      double slope = 0, curvature = 0;
      for (int64_t i = 0; i < size; ++i) {
        slope += double{steps[row * size + i]} * gradient[begin + i];
        curvature += double{steps[row * size + i]} * product[begin + i];
      }
      const float change =
          improve_scale(grid_at(r, row, begin), slope, curvature, r.rule.scale_dtype);
      for (int64_t i = 0; change != 0 && i < in; ++i) gradient[i] -= change * product[i];
    }
  });
}

}  // namespace

void refine(Queue& queue, const Ops& ops, const GptqRefinement& r) {
  const int64_t out = r.gradient.rows(), in = r.order.in();
  std::vector<float> changes(out * kGptqBlock);
  const std::vector<int64_t> bounds = block_bounds(r.order, kGptqBlock);
  for (size_t b = 0; b + 1 < bounds.size(); ++b) {
    const int64_t begin = bounds[b], end = bounds[b + 1];
    Block block(r, begin, end);
    block.changes = {changes.data(), {out, block.size}, {kGptqBlock, 1}};
    queue.pool().each(out, [&](int64_t row, int) { Row(r, block, row).run(); });
    const auto tell = [&](int64_t from, int64_t to) {
      if (from == to) return;
      const int64_t stride = r.hessian.stride[0];
      ops.gemm(queue, {.a = block.changes,
                       .b = {r.hessian.at(begin) + from, {block.size, to - from}, {stride, 1}},
                       .c = {r.gradient.data + from, {out, to - from}, {r.gradient.stride[0], 1}},
                       .alpha = -1,
                       .into = Into::add});
    };
    tell(0, begin);
    tell(end, in);
  }
  for (int64_t i = 0; i < in;) {
    const int64_t end = r.order.end_of_group(i);
    if (end - i > kGptqBlock) improve_wide_group(queue, ops, r, i, end);
    i = std::max(end, i + 1);
  }
}

}  // namespace octavo::quant
