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
  alignas(16) float hessian[kGptqBlock][kGptqBlock] = {}, diagonal[kGptqBlock] = {};
  Mat gradient;  // [out, size] (W - Q) · H

  Block(const GptqRefinement& r, int64_t first, int64_t end) : begin(first), size(end - first) {
    for (int64_t i = 0; i < size; ++i) {
      std::copy_n(r.hessian.at(begin + i, begin), size, hessian[i]);
      diagonal[i] = hessian[i][i];
    }
  }
};

// The groups that lie whole in a block, as they stand there.
struct Groups {
  struct Span {
    int64_t begin, end;
  };
  std::vector<Span> spans;
  int32_t of[kGptqBlock];  // the span of each column, -1: none

  Groups(const GptqOrder& order, int64_t first, int64_t size) {
    std::fill_n(of, kGptqBlock, -1);
    for (int64_t i = 0; i < size;) {
      const int64_t end = order.end_of_group(first + i) - first;
      if (end > i && end <= size) {
        std::fill(of + i, of + end, static_cast<int32_t>(spans.size()));
        spans.push_back({i, end});
      }
      i = std::max(end, i + 1);
    }
  }
};

// One row of a block.
struct Row {
  const GptqRefinement& all;
  const Block& block;
  const Groups& groups;
  int64_t row;
  alignas(16) float gradient[kGptqBlock] = {}, steps[kGptqBlock] = {};  // steps: code - zero
  alignas(16) float scale[kGptqBlock] = {}, low[kGptqBlock] = {};       // of each column's grid
  // steps · H of each group alone, kept up to date once they are known.
  alignas(16) float products[kGptqBlock][kGptqBlock];
  bool products_known = false;

  Row(const GptqRefinement& r, const Block& b, const Groups& g, int64_t at)
      : all(r), block(b), groups(g), row(at) {
    std::copy_n(block.gradient.at(row), block.size, gradient);
    for (int64_t i = 0; i < block.size; ++i) {
      scale[i] = grid(i).scale;
      low[i] = static_cast<float>(-grid(i).zero);
      steps[i] = static_cast<float>(codes()[i]) + low[i];
    }
  }

  uint8_t* codes() const { return all.walk.codes.data() + row * all.walk.order.in() + block.begin; }
  Grid& grid(int64_t i) const { return all.walk.grid(row, block.begin + i); }

  // The best steps of columns i to i + 3, each alone. What is not a number becomes the highest.
  F4 wanted(int64_t i, F4 last) const {
    const F4 curvature = load4(scale + i) * load4(block.diagonal + i), at = load4(steps + i);
    const F4 best = at + load4(gradient + i) / curvature, bottom = load4(low + i);
    return curvature > 0 ? round4(max4(min4(best, bottom + last), bottom)) : at;
  }

  bool improve_codes() {
    const F4 last = splat(static_cast<float>((1 << all.walk.rule.bits) - 1));
    bool any = false;
    for (int64_t first = 0; first < block.size; first += 4) {
      // A change moves the gradient of the columns after it: look again.
      for (int64_t lane = 0; lane < 4;) {
        const F4 best = wanted(first, last), now = load4(steps + first);
        while (lane < 4 && (first + lane >= block.size || best[lane] == now[lane])) ++lane;
        if (lane == 4) break;
        change_step(first + lane, best[lane]);
        any = true;
        ++lane;
      }
    }
    return any;
  }

  void change_step(int64_t i, float step) {
    const float change = step - steps[i];
    add_scaled(-change * scale[i], block.hessian[i], block.size, gradient);
    if (products_known && groups.of[i] >= 0)
      add_scaled(change, block.hessian[i], block.size, products[groups.of[i]]);
    steps[i] = step;
  }

  void find_products() {
    constexpr int64_t kAcross = 32;  // sums that stay in registers
    for (size_t g = 0; g < groups.spans.size(); ++g) {
      const auto [begin, end] = groups.spans[g];
      for (int64_t j = 0; j < block.size; j += kAcross) {
        F4 sums[kAcross / 4] = {};
        for (int64_t i = begin; i < end; ++i) {
          const F4 step = splat(steps[i]);
          for (int64_t v = 0; v < kAcross / 4; ++v)
            sums[v] += step * load4(block.hessian[i] + j + 4 * v);
        }
        for (int64_t v = 0; v < kAcross / 4; ++v) store4(products[g] + j + 4 * v, sums[v]);
      }
    }
    products_known = true;
  }

  bool improve_scales() {
    if (!products_known) find_products();
    bool any = false;
    for (size_t g = 0; g < groups.spans.size(); ++g) {
      const auto [begin, end] = groups.spans[g];
      double slope = 0, curvature = 0;
      for (int64_t i = begin; i < end; ++i) {
        slope += double{steps[i]} * gradient[i];
        curvature += double{steps[i]} * products[g][i];
      }
      const float change = improve_scale(grid(begin), slope, curvature, all.walk.rule.scale_dtype);
      if (change == 0) continue;
      add_scaled(-change, products[g], block.size, gradient);
      std::fill(scale + begin, scale + end, grid(begin).scale);
      any = true;
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
      codes()[i] = static_cast<uint8_t>(steps[i] - low[i]);
      *all.errors.at(block.begin + i, row) =
          *all.weights.at(row, block.begin + i) - steps[i] * scale[i];
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
    const Groups groups(r.walk.order, block.begin, block.size);
    block.gradient = {gradient.data(), {out, block.size}, {kGptqBlock, 1}};
    find_gradient(queue, ops, r, block.begin, block.gradient);
    queue.pool().split(out, 16, [&](int64_t begin, int64_t end, int) {
      for (int64_t row = begin; row < end; ++row) Row(r, block, groups, row).run();
    });
  }
  for (int64_t i = 0; i < in;) {
    const int64_t end = r.walk.order.end_of_group(i);
    if (end - i > kGptqBlock) improve_wide_group(queue, ops, r, i, end);
    i = std::max(end, i + 1);
  }
}

}  // namespace octavo::quant
