#pragma once

#include <optional>
#include <span>
#include <vector>

#include "ops/ops.h"
#include "tensor/queue.h"

namespace octavo::quant {

// H of a GPTQ problem. Its one buffer holds two matrices: below the diagonal H, above it (and on
// it) H again or its factor, so that damping can be tried anew and H asked for afterwards.
class GptqHessian {
 public:
  // h: [n, n], its upper triangle valid. Columns that nothing ever reached (0 on the diagonal) get
  // the mean of the others there, which lets them neither give nor take errors.
  GptqHessian(Queue& queue, Mat h);

  bool finite() const { return finite_; }
  std::span<const float> diagonal() const { return diagonal_; }
  bool dead(int64_t column) const { return dead_[column]; }

  // Row and column i become those that were columns[i].
  void reorder(Queue& queue, std::span<const int32_t> columns);

  // Makes the upper triangle U with (H + damp · mean diagonal · 1)⁻¹ = Uᵀ·U and returns the damp
  // that this needed: damp_percent, then more and more up to 1, then 1 with a floor under the
  // diagonal. Empty: it cannot be done.
  std::optional<float> factor(Queue& queue, const Ops& ops, float damp_percent);

  // The whole symmetric H + damp · mean diagonal · 1; the factor is gone.
  ConstMat whole(Queue& queue, float damp);
  ConstMat upper() const { return h_; }

 private:
  enum class Into { lower, upper };
  void mirror(Queue& queue, Into into);

  Mat h_;
  std::vector<float> diagonal_;
  std::vector<char> dead_;
  float mean_ = 1;
  bool finite_ = true;
};

}  // namespace octavo::quant
