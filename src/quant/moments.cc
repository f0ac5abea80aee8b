#include "quant/moments.h"

#include <algorithm>

namespace octavo::quant {

Moments::Moments(Queue& queue, const Ops& ops, int64_t in, bool drift)
    : queue_(queue), ops_(ops), in_(in), hessian_(static_cast<size_t>(in * in)) {
  if (drift) drift_.resize(hessian_.size());
}

void Moments::add(Samples samples, const SampleRange& range, ConstMat x, const ConstMat* original) {
  int64_t row = 0;
  for (size_t s = range.begin; s < range.end; ++s) {
    const auto count = static_cast<int64_t>(samples[s].size());
    const ConstMat part = x.slice(row, row + count);
    ops_.gemm(queue_, {.a = part,
                       .b = part,
                       .c = Mat(hessian_.data(), {in_, in_}),
                       .form = GemmForm::atb,
                       .part = GemmPart::upper,
                       .into = Into::add});
    if (original != nullptr) add_drift(original->slice(row, row + count), part);
    row += count;
  }
  rows_ += row;
}

void Moments::settle() {
  const float factor = 2 / static_cast<float>(std::max<int64_t>(1, rows_));
  for (std::vector<float>* sums : {&hessian_, &drift_}) {
    for (float& v : *sums) v *= factor;
  }
}

void Moments::add_drift(ConstMat original, ConstMat x) {
  difference_.resize(static_cast<size_t>(x.rows() * in_));
  const Mat difference(difference_.data(), {x.rows(), in_});
  for (int64_t n = 0; n < x.rows(); ++n) {
    for (int64_t k = 0; k < in_; ++k) difference.at(n)[k] = original.at(n)[k] - x.at(n)[k];
  }
  ops_.gemm(queue_, {.a = difference,
                     .b = x,
                     .c = Mat(drift_.data(), {in_, in_}),
                     .form = GemmForm::atb,
                     .into = Into::add});
}

GptqResult solve(const SolveJob& job, Moments& moments) {
  const auto& [queue, ops, recipe, plan, values, last] = job;
  const QuantSettings& settings = plan.layout.settings;
  const bool desc_act = recipe.desc_act && (settings.act_order || recipe.static_groups);
  std::vector<float> weights(values.begin(), values.end());
  std::vector<float> hessian = moments.take_hessian(last);
  return gptq(queue, ops,
              {.weights = weights,
               .out = plan.layout.out,
               .in = plan.layout.in,
               .hessian = hessian,
               .drift = moments.drift()},
              {.bits = settings.bits,
               .group_size = plan.layout.group(),
               .symmetric = settings.symmetric,
               .desc_act = desc_act,
               .static_groups = recipe.static_groups,
               .group_aware = recipe.act_group_aware.value_or(!desc_act) && !desc_act,
               .damp_percent = recipe.damp_percent,
               .mse = plan.mse,
               .gptaq_alpha = recipe.gptaq_alpha.value_or(0.25f),
               .scale_dtype = plan.layout.scale_dtype,
               .lowest_zero = lowest_zero(settings.format)});
}

}  // namespace octavo::quant
