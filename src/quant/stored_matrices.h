#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "io/matrix_source.h"
#include "model/config.h"

namespace octavo::quant {

// A model directory as a converter sees it: every matrix that is not plain, and the tensors beside
// those. Needs no family: shapes are those of the tensors. Where the architecture is known, its
// spec says which dense matrices are multiplied, and which are kept transposed.
struct StoredMatrices {
  Config config;
  Checkpoint checkpoint;
  Quantization quantization;
  std::map<std::string, MatrixSource> sources;  // in codes, or 8-bit elements with scales
  std::set<std::string> parts;                  // tensors of these
  std::set<std::string> dense_linears;          // names of plain matrices of linear layers
  std::set<std::string> transposed;             // names kept [in, out] when dense
  std::string head;                             // name of the output head

  // Throws Error naming file, tensor or field. The result is not to be moved: sources refer to it.
  static std::unique_ptr<const StoredMatrices> open(const std::filesystem::path& model);
};

}  // namespace octavo::quant
