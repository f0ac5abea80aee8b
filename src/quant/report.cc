#include "quant/report.h"

#include <cstdio>

#include "base/atomic_file.h"
#include "base/html_report.h"
#include "base/json.h"

namespace octavo::quant {
namespace {

std::string fixed(double value, const char* format) {
  char text[64];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

Json to_json(const Recipe& recipe, const QuantizeReport& report) {
  Json matrices = Json::array();
  for (const MatrixReport& m : report.matrices) {
    matrices.push_back({{"name", m.name},
                        {"shape", {m.out, m.in}},
                        {"bits", m.bits},
                        {"relative_error", m.relative_error},
                        {"largest_error", m.largest_error}});
  }
  return {{"method", "rtn"},
          {"bits", recipe.bits},
          {"group_size", recipe.group_size},
          {"sym", recipe.symmetric},
          {"bytes_before", report.bytes_before},
          {"bytes_after", report.bytes_after},
          {"seconds", report.seconds},
          {"matrices", std::move(matrices)}};
}

std::string to_html(const Recipe& recipe, const QuantizeReport& report) {
  HtmlReport page("Quantization report");
  page.table(
      {"setting", "value"},
      {{"method", "round to nearest"},
       {"bits", std::to_string(recipe.bits)},
       {"group size", recipe.group_size > 0 ? std::to_string(recipe.group_size) : "one a row"},
       {"zero point", recipe.symmetric ? "fixed (symmetric)" : "per group"},
       {"size before", fixed(static_cast<double>(report.bytes_before) / 1e6, "%.2f MB")},
       {"size after", fixed(static_cast<double>(report.bytes_after) / 1e6, "%.2f MB")},
       {"time", fixed(report.seconds, "%.2f s")}});
  page.heading("Error of each matrix");
  page.paragraph(
      "Relative error: the norm of what rounding changed, divided by the norm of the matrix.");
  std::vector<HtmlReport::Bar> bars;
  std::vector<std::vector<std::string>> rows;
  for (const MatrixReport& m : report.matrices) {
    bars.push_back({m.name, m.relative_error});
    rows.push_back({m.name, std::to_string(m.out) + " × " + std::to_string(m.in),
                    std::to_string(m.bits), fixed(m.relative_error, "%.5f"),
                    fixed(m.largest_error, "%.5f")});
  }
  page.bars("Relative error by matrix", bars);
  page.table({"matrix", "shape", "bits", "relative error", "largest error"}, rows);
  return page.text();
}

}  // namespace

void write_report(const std::filesystem::path& directory, const Recipe& recipe,
                  const QuantizeReport& report) {
  write_file_atomically(directory / "quantization_report.json",
                        to_json(recipe, report).dump(2) + "\n");
  write_file_atomically(directory / "quantization_report.html", to_html(recipe, report));
}

}  // namespace octavo::quant
