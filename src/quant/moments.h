#pragma once

#include <span>
#include <vector>

#include "quant/gptq.h"
#include "quant/layer_walk.h"
#include "quant/plan.h"

namespace octavo::quant {

// Second moments of a matrix's inputs: 2/n Σ x xᵀ (its upper triangle), and with the inputs x̃ of
// the unquantized model, 2/n Σ (x̃ - x) xᵀ (GPTAQ).
class Moments {
 public:
  Moments(Queue& queue, const Ops& ops, int64_t in, bool drift);

  // Rows of whole samples. Sample after sample, so that the sums are the same however the samples
  // were split into ranges.
  void add(Samples samples, const SampleRange& range, ConstMat x, const ConstMat* original);
  // Divides by the number of rows. Once, at the end.
  void settle();

  std::span<const float> hessian() const { return hessian_; }
  std::span<const float> drift() const { return drift_; }

 private:
  void add_drift(ConstMat original, ConstMat x);

  Queue& queue_;
  const Ops& ops_;
  int64_t in_, rows_ = 0;
  std::vector<float> hessian_, drift_, difference_;
};

// GPTQ of one matrix as recipe and plan say.
GptqResult solve(Queue& queue, const Ops& ops, const Recipe& recipe, const MatrixPlan& plan,
                 std::span<const float> values, const Moments& moments);

}  // namespace octavo::quant
