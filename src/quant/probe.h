#pragma once

#include <optional>
#include <vector>

#include "quant/layer_job.h"
#include "quant/matrix_probe.h"

namespace octavo::quant {

// Measures what quantizing a layer changes in its output on a few rows of the calibration data, fed
// with the same input before and after.
class Probe {
 public:
  // Before the method runs: the output as it should be, and the change that plain rounding makes.
  explicit Probe(LayerJob& job);
  // After it, with the layer's model as quantized. Fills in the reports of the matrices as well.
  void measure(LayerReport& report);

 private:
  std::vector<float> run();
  double error_of(const std::vector<float>& output) const;

  LayerJob& job_;
  std::vector<std::vector<TokenId>> samples_;  // the beginning of one
  LayerWalk walk_;
  SampleRange range_;
  std::vector<float> input_, output_;
  double rounding_error_ = 0;
  std::optional<MatrixProbe> matrices_;
};

}  // namespace octavo::quant
