#pragma once

#include <map>
#include <string>
#include <vector>

#include "quant/layer_job.h"

namespace octavo::quant {

// Measures what quantizing each matrix of a layer changes in its product with a few rows of the
// unquantized model's inputs: ‖x (W - Ŵ)ᵀ‖² / ‖x Wᵀ‖².
class MatrixProbe {
 public:
  // The inputs of the layer's sets, as the model is now; `walk` runs the layer on x [rows, hidden].
  MatrixProbe(LayerJob& job, LayerWalk& walk, const SampleRange& range, std::vector<float> x);

  // What plain rounding makes of a matrix: `rounded` in place of `exact`, both [out, in].
  void note_rounding(const StoredMatrix& matrix, std::span<const float> exact,
                     std::span<const float> rounded);
  // After the method: fills in the errors of the job's reports. Scales that were folded into a
  // matrix are taken out again.
  void measure();

 private:
  const std::vector<float>* input_of(const StoredMatrix& matrix) const;
  // ‖x wᵀ‖² with w [out, in].
  double squares(const StoredMatrix& matrix, std::span<const float> w);
  // Ŵ - W, both as they act on the unquantized model's input.
  std::vector<float> change(const StoredMatrix& matrix, const QuantizedMatrix& made) const;

  LayerJob& job_;
  int64_t rows_;
  std::map<Role, std::vector<float>> inputs_;       // [rows, in] by the first role of a set
  std::map<std::string, Role> first_;               // of a matrix's set
  std::map<std::string, double> norms_, rounding_;  // ‖x Wᵀ‖²; error of plain rounding
};

}  // namespace octavo::quant
