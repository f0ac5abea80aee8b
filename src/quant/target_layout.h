#pragma once

#include <string>

#include "base/json_fwd.h"
#include "octavo/recipe.h"
#include "quant/conversion_step.h"
#include "quant/stored_matrices.h"

namespace octavo::quant {

// The matrices of a quantized checkpoint in another layout.
class TargetLayout {
 public:
  // Throws Error naming a matrix that the layout cannot hold, as far as its header tells. `source`
  // outlives this and its steps.
  TargetLayout(const StoredMatrices& source, QuantFormat format);

  // Writes the tensors of a matrix. Its run() throws Error where the values do not fit.
  ConversionStep step(const std::string& name, const MatrixSource& matrix) const;
  Json section() const;  // the new quantization_config

 private:
  MatrixLayout layout_of(const PackedMatrix& matrix) const;

  const StoredMatrices& source_;
  QuantFormat format_;
};

}  // namespace octavo::quant
