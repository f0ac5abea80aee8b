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

  // The Hessian as the solver may overwrite it: a copy, or for the last that asks, itself.
  std::vector<float> take_hessian(bool last) { return last ? std::move(hessian_) : hessian_; }
  std::span<const float> drift() const { return drift_; }

 private:
  void add_drift(ConstMat original, ConstMat x);

  Queue& queue_;
  const Ops& ops_;
  int64_t in_, rows_ = 0;
  std::vector<float> hessian_, drift_, difference_;
};

// GPTQ of one matrix as recipe and plan say. `last`: nobody needs the moments any more.
struct SolveJob {
  Queue& queue;
  const Ops& ops;
  const Recipe& recipe;
  const MatrixPlan& plan;
  std::span<const float> values;  // [out, in]
  bool last = false;
};
GptqResult solve(const SolveJob& job, Moments& moments);

}  // namespace octavo::quant
