#include "quant/gptq.h"

#include <algorithm>
#include <vector>

#include "base/check.h"
#include "quant/gptq_blocks.h"
#include "quant/gptq_hessian.h"

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

// P = alpha · triu(D · Uᵀ, 1) · U, strictly upper: how much of w_i later columns take over so that
// the sum meets the outputs of undisturbed inputs (GPTAQ, 2504.02692, section 4).
std::vector<float> drift_feedback(Queue& queue, const Ops& ops, const GptqInput& input,
                                  const GptqOrder& order, ConstMat factor, float alpha) {
  const int64_t n = input.in;
  std::vector<float> u(n * n), d(n * n), p(n * n);
  for (int64_t i = 0; i < n; ++i) {
    std::copy(factor.at(i, i), factor.at(i) + n, u.begin() + i * n + i);
    const float* const row = input.drift.data() + order.columns[i] * n;
    for (int64_t j = 0; j < n; ++j) d[i * n + j] = row[order.columns[j]];
  }
  const std::array<int64_t, 2> square{n, n};
  ops.gemm(queue, {.a = {d.data(), square},
                   .b = {u.data(), square},
                   .c = {p.data(), square},
                   .form = GemmForm::abt,
                   .part = GemmPart::upper,
                   .alpha = alpha});
  for (int64_t i = 0; i < n; ++i) p[i * n + i] = 0;
  ops.gemm(queue, {.a = {p.data(), square},
                   .b = {u.data(), square},
                   .c = {d.data(), square},
                   .part = GemmPart::upper});
  return d;
}

// From positions to columns.
QuantizedMatrix assembled(const GptqWalk& walk, const GptqInput& input,
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
  for (int64_t row = 0; row < input.out; ++row) {
    for (int64_t i = 0; i < input.in; ++i)
      m.codes[row * input.in + order.columns[i]] = walk.codes[row * input.in + i];
  }
  if (options.desc_act && !options.static_groups && order.group_count > 1) {
    m.group_index.resize(static_cast<size_t>(input.in));
    for (int64_t i = 0; i < input.in; ++i) m.group_index[order.columns[i]] = order.groups[i];
  }
  return m;
}

}  // namespace

GptqResult gptq(Queue& queue, const Ops& ops, const GptqInput& input, const GptqOptions& options) {
  const int64_t out = input.out, in = input.in;
  OCTAVO_CHECK(out > 0 && in > 0 && options.group_size > 0);
  OCTAVO_CHECK(static_cast<int64_t>(input.weights.size()) == out * in);
  OCTAVO_CHECK(static_cast<int64_t>(input.hessian.size()) == in * in);
  OCTAVO_CHECK(input.drift.empty() || input.drift.size() == input.hessian.size());
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
                .drift = {},
                .grids = grids,
                .codes = codes};
  const auto damp = hessian.factor(queue, ops, options.damp_percent);
  GptqResult result;
  result.damp = damp.value_or(0);
  result.rounded = !damp;
  if (order.fixed_grids || result.rounded) fit_grids(queue, walk);
  if (result.rounded) {
    round_to_nearest(queue, walk);
  } else {
    std::vector<float> feedback;
    if (!input.drift.empty()) {
      feedback = drift_feedback(queue, ops, input, order, hessian.upper(), options.gptaq_alpha);
      walk.drift = {feedback.data(), {in, in}};
    }
    result.loss = round_blocks(queue, ops, walk);
  }
  result.matrix = assembled(walk, input, options);
  return result;
}

}  // namespace octavo::quant
