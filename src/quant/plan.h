#pragma once

#include <map>
#include <string>
#include <vector>

#include "io/checkpoint.h"
#include "io/compressed_tensors.h"
#include "io/safetensors.h"
#include "model/derive.h"
#include "octavo/quantize.h"

namespace octavo::quant {

// What to do with one tensor of the source checkpoint.
struct Step {
  const TensorEntry* source = nullptr;
  std::string matrix;  // the matrix's name where it is quantized, else empty: the tensor is copied
  MatrixShape shape;   // of the stored matrix
  int64_t group_size = 0, groups = 0;  // groups of a row
  DType scale_dtype = DType::f32;
  std::vector<TensorPlan> outputs;
};

struct Plan {
  std::vector<Step> steps;
  CompressedTensors settings;
};

// Validates the recipe against the model's matrices and lays out the output. Throws Error naming
// matrix and remedy.
Plan make_plan(const ModelSpec& spec, const Checkpoint& checkpoint, const Recipe& recipe);

}  // namespace octavo::quant
