#pragma once

#include <filesystem>

#include "octavo/quantize.h"

namespace octavo::quant {

// quantization_report.json and a self-contained quantization_report.html (a plot of the error of
// each matrix and a table).
void write_report(const std::filesystem::path& directory, const Recipe& recipe,
                  const QuantizeReport& report);

}  // namespace octavo::quant
