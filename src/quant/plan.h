#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/json_fwd.h"
#include "io/quantized_layout.h"
#include "io/safetensors.h"
#include "model/derive.h"
#include "model/source.h"
#include "octavo/recipe.h"

namespace octavo::quant {

// What is to become of one stored matrix.
struct MatrixPlan {
  std::string name;  // without ".weight"
  MatrixShape shape;
  int64_t layer = 0;  // -1: the head
  bool dense = false;
  MatrixLayout layout = {};  // where not dense
  float mse = 0;
};

// The checkpoint to be written, known before any work: every tensor's name, type, shape and place.
struct Plan {
  std::vector<TensorPlan> tensors;  // in the order of the files
  std::vector<std::string> copied;  // tensors that go over as they are, unless a layer changes them
  std::vector<MatrixPlan> matrices;  // by layer, in the order of the walk; the head last
  int64_t layers = 0;
  std::string head;  // name of the output head

  const MatrixPlan* find(const std::string& name) const;
};

// The model in the directory `model`. Throws Error for a GGUF file and for what is quantized
// already.
ModelSource open_full_precision(const std::filesystem::path& model);

// Lays out the output. Throws Error naming matrix and remedy where the recipe does not
// fit the model.
Plan make_plan(const ModelSource& source, const Recipe& recipe);

// The `quantization_config` of the planned checkpoint.
Json config_section(const Plan& plan, const Recipe& recipe);

}  // namespace octavo::quant
