#include "quant/gptq.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "base/check.h"
#include "quant/gptq_blocks.h"
#include "quant/gptq_hessian.h"
#include "quant/gptq_refine.h"

namespace octavo::quant {
namespace {

void reorder_columns(Queue& queue, Mat m, std::span<const int32_t> columns) {
  queue.pool().split(m.rows(), 1, [&](int64_t begin, int64_t end, int worker) {
    auto* const row = reinterpret_cast<float*>(
        queue.worker_scratch(worker, static_cast<size_t>(m.cols()) * sizeof(float)));
    for (int64_t i = begin; i < end; ++i) {
      std::copy_n(m.at(i), m.cols(), row);
      for (int64_t j = 0; j < m.cols(); ++j) *m.at(i, j) = row[columns[j]];
    }
  });
}

// What the weights would be if nothing were rounded but the inputs stay disturbed: W x~ ≈ W' x has
// its least squares at W' = W + W·D·H⁻¹ (of which alpha times the second part is taken). Rounding
// W' for x is then GPTAQ's problem (2504.02692), as a whole instead of column by column.
void follow_drift(Queue& queue, const Ops& ops, const GptqInput& input, const GptqOrder& order,
                  float alpha, const GptqHessian& hessian) {
  const int64_t n = input.in, out = input.out;
  const ConstMat factor = hessian.upper();
  std::vector<float> square(n * n), pull(out * n), half(out * n);
  const Mat s(square.data(), {n, n}), p(pull.data(), {out, n}), h(half.data(), {out, n}),
      weights(input.weights.data(), {out, n});
  for (int64_t i = 0; i < n; ++i) {
    const float* const row = input.drift.data() + order.columns[i] * n;
    for (int64_t j = 0; j < n; ++j) *s.at(i, j) = row[order.columns[j]];
  }
  ops.gemm(queue, {.a = weights, .b = s, .c = p});
  for (int64_t i = 0; i < n; ++i) {
    std::fill_n(s.at(i), i, 0.0f);
    std::copy(factor.at(i, i), factor.at(i) + n, s.at(i, i));
  }
  ops.gemm(queue, {.a = p, .b = s, .c = h, .form = GemmForm::abt});
  ops.gemm(queue, {.a = h, .b = s, .c = weights, .alpha = alpha, .into = Into::add});
}

// From positions to columns.
QuantizedMatrix assembled(Queue& queue, const GptqWalk& walk, const GptqInput& input,
                          const GptqOptions& options) {
  QuantizedMatrix m{.out = input.out,
                    .in = input.in,
                    .bits = options.bits,
                    .group_size = std::min(options.group_size, input.in),
                    .symmetric = options.symmetric,
                    .scale_dtype = options.scale_dtype,
                    .codes = std::vector<uint8_t>(walk.codes.size()),
                    .scales = std::vector<float>(walk.grids.size()),
                    .zeros = std::vector<uint8_t>(walk.grids.size()),
                    .group_index = {}};
  for (size_t i = 0; i < walk.grids.size(); ++i) {
    m.scales[i] = walk.grids[i].scale;
    m.zeros[i] = static_cast<uint8_t>(walk.grids[i].zero);
  }
  const GptqOrder& order = walk.order;
  queue.pool().split(input.out, 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t row = begin; row < end; ++row) {
      for (int64_t i = 0; i < input.in; ++i)
        m.codes[row * input.in + order.columns[i]] = walk.codes[row * input.in + i];
    }
  });
  if (options.desc_act && !options.static_groups && order.group_count > 1) {
    m.group_index.resize(static_cast<size_t>(input.in));
    for (int64_t i = 0; i < input.in; ++i) m.group_index[order.columns[i]] = order.groups[i];
  }
  return m;
}

// Columns that no input ever reached: what they hold is free. They must not widen their groups, so
// they count as 0 until everything else is settled, and are then rounded to what the grids offer.
class DeadColumns {
 public:
  DeadColumns(const GptqHessian& hessian, Mat weights) {
    for (int64_t i = 0; i < weights.cols(); ++i) {
      if (!hessian.dead(i)) continue;
      positions_.push_back(i);
      for (int64_t row = 0; row < weights.rows(); ++row)
        kept_.push_back(std::exchange(*weights.at(row, i), 0.0f));
    }
  }

  void round(const GptqWalk& walk) const {
    const int64_t out = walk.weights.rows();
    const float* kept = kept_.data();
    for (const int64_t i : positions_) {
      for (int64_t row = 0; row < out; ++row)
        walk.codes[row * walk.order.in() + i] =
            nearest_code(*kept++, walk.grid(row, i), walk.rule.bits);
    }
  }

 private:
  std::vector<int64_t> positions_;
  std::vector<float> kept_;  // [positions, out]
};

void check(const GptqInput& input, const GptqOptions& options) {
  OCTAVO_CHECK(input.out > 0 && input.in > 0 && options.group_size > 0);
  OCTAVO_CHECK(static_cast<int64_t>(input.weights.size()) == input.out * input.in);
  OCTAVO_CHECK(static_cast<int64_t>(input.hessian.size()) == input.in * input.in);
  OCTAVO_CHECK(input.drift.empty() || input.drift.size() == input.hessian.size());
}

}  // namespace

GptqResult gptq(Queue& queue, const Ops& ops, const GptqInput& input, const GptqOptions& options) {
  check(input, options);
  const int64_t out = input.out, in = input.in;
  GptqHessian hessian(queue, {input.hessian.data(), {in, in}});
  const Mat weights(input.weights.data(), {out, in});
  const GptqOrder order = gptq_order(hessian.diagonal(), options);
  if (order.moves()) {
    hessian.reorder(queue, order.columns);
    reorder_columns(queue, weights, order.columns);
  }
  std::vector<Grid> grids(out * order.group_count);
  std::vector<uint8_t> codes(out * in);
  GptqWalk walk{.order = order,
                .rule = {.bits = options.bits,
                         .symmetric = options.symmetric,
                         .mse = options.mse,
                         .scale_dtype = options.scale_dtype,
                         .lowest_zero = options.lowest_zero},
                .weights = weights,
                .factor = hessian.upper(),
                .importance = {},
                .grids = grids,
                .codes = codes};
  GptqResult result;
  const std::optional<float> damp = hessian.factor(queue, ops, options.damp_percent);
  if (!damp) {
    fit_grids(queue, walk);
    round_to_nearest(queue, walk);
    result.rounded = true;
    result.matrix = assembled(queue, walk, input, options);
    return result;
  }
  result.damp = *damp;
  const DeadColumns dead(hessian, weights);
  if (!input.drift.empty()) follow_drift(queue, ops, input, order, options.gptaq_alpha, hessian);
  std::vector<float> original;
  if (options.refinements > 0) original.assign(input.weights.begin(), input.weights.end());
  if (options.refinements > 0) walk.importance = hessian.diagonal();
  if (order.fixed_grids) fit_grids(queue, walk);
  result.loss = round_blocks(queue, ops, walk);
  if (options.refinements > 0) {
    const GptqRefinement refinement{.walk = walk,
                                    .weights = {original.data(), {out, in}},
                                    .hessian = hessian.whole(queue, *damp),
                                    .errors = {input.weights.data(), {in, out}}};
    find_errors(queue, refinement);
    for (int round = 0; round < options.refinements; ++round) refine(queue, ops, refinement);
  }
  dead.round(walk);
  result.matrix = assembled(queue, walk, input, options);
  return result;
}

}  // namespace octavo::quant
