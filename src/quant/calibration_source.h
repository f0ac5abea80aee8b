#pragma once

#include <filesystem>
#include <string>

#include "quant/calibration.h"
#include "quant/document_index.h"

namespace octavo::quant {

// What a request's source names, resolved: the path in use, and an index of its documents.
struct CalibrationSource {
  std::string name;
  DocumentIndex index;

  // Throws Error saying what could be given where there is nothing to read.
  static CalibrationSource open(const CalibrationRequest& request,
                                const std::filesystem::path& model, const IndexLimits& limits);
};

}  // namespace octavo::quant
