#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "base/json_fwd.h"
#include "octavo/quantize.h"

namespace octavo::quant {

// quantization_report.json and a self-contained quantization_report.html in `directory`.
void write_report(const std::filesystem::path& directory, const Recipe& recipe,
                  const QuantizeReport& report);

// Their contents. What a report does not know is left out.
Json report_json(const Recipe& recipe, const QuantizeReport& report);
std::string report_page(const Recipe& recipe, const QuantizeReport& report);

// What such a report says of a finished job: recipe, matrices, layers, sizes and evaluation, not
// the rest. Empty where `directory` holds none that can be read.
struct FinishedJob {
  Recipe recipe;
  QuantizeReport report;
};
std::optional<FinishedJob> read_report(const std::filesystem::path& directory);

}  // namespace octavo::quant
