#include "quant/report.h"

#include <algorithm>
#include <cmath>

#include "base/atomic_file.h"
#include "base/json.h"
#include "quant/recipe_json.h"

namespace octavo::quant {
namespace {

// JSON has no infinities.
Json number(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

Json to_json(const MatrixReport& m) {
  Json json = {{"name", m.name}, {"shape", {m.out, m.in}}, {"bits", m.bits}};
  if (m.layer >= 0) json["layer"] = m.layer;
  if (m.bits == 0) return json;
  if (m.group_size > 0) json["group_size"] = m.group_size;
  json["relative_error"] = number(m.relative_error);
  json["largest_error"] = number(m.largest_error);
  if (m.output_error >= 0) json["output_error"] = number(m.output_error);
  if (m.rounding_error >= 0) json["rounding_error"] = number(m.rounding_error);
  if (m.damp > 0) json["damp"] = number(m.damp);
  if (m.fell_back) json["fell_back"] = true;
  if (!m.clipped.empty()) json["clipped"] = m.clipped;
  if (!m.outliers.empty()) {
    Json outliers = Json::array();
    for (const MatrixReport::Outlier& o : m.outliers)
      outliers.push_back({{"channel", o.channel}, {"ratio", number(o.ratio)}});
    json["outliers"] = std::move(outliers);
  }
  return json;
}

Json to_json(const LayerReport& layer) {
  Json json = {{"layer", layer.layer}};
  if (layer.output_error >= 0) json["output_error"] = number(layer.output_error);
  if (layer.rounding_error >= 0) json["rounding_error"] = number(layer.rounding_error);
  json["seconds"] = layer.seconds;
  return json;
}

Json to_json(const ScaleReport& scale) {
  Json json = {{"from", scale.from},
               {"to", scale.to},
               {"ratio", scale.ratio},
               {"loss", number(scale.loss)},
               {"loss_one", number(scale.loss_one)}};
  if (scale.scales.empty()) return json;
  const auto [low, high] = std::ranges::minmax_element(scale.scales);
  json["smallest"] = number(*low);
  json["largest"] = number(*high);
  return json;
}

Json to_json(const Perplexity& p) {
  Json json = {{"perplexity", number(p.perplexity)},
               {"standard_error", number(p.standard_error)},
               {"tokens", p.tokens}};
  if (!p.comparison) return json;
  json["baseline_perplexity"] = number(p.comparison->baseline_perplexity);
  json["kl_divergence"] = number(p.comparison->kl);
  json["kl_standard_error"] = number(p.comparison->kl_error);
  json["top1_agreement"] = p.comparison->top1_agreement;
  return json;
}

template <typename T>
Json list(const std::vector<T>& items) {
  Json json = Json::array();
  for (const T& item : items) json.push_back(to_json(item));
  return json;
}

}  // namespace

Json report_json(const Recipe& recipe, const QuantizeReport& report) {
  Json json = {{"recipe", to_json(recipe)},
               {"bytes_before", report.bytes_before},
               {"bytes_after", report.bytes_after},
               {"seconds", report.seconds}};
  if (report.peak_bytes > 0) json["peak_bytes"] = report.peak_bytes;
  if (!report.calibration.empty())
    json["calibration"] = {
        {"source", report.calibration}, {"samples", report.samples}, {"tokens", report.tokens}};
  if (report.evaluation) json["evaluation"] = to_json(*report.evaluation);
  if (!report.notes.empty()) json["notes"] = report.notes;
  if (!report.layers.empty()) json["layers"] = list(report.layers);
  if (!report.scales.empty()) json["scales"] = list(report.scales);
  json["matrices"] = list(report.matrices);
  return json;
}

void write_report(const std::filesystem::path& directory, const Recipe& recipe,
                  const QuantizeReport& report) {
  write_file_atomically(directory / "quantization_report.json",
                        to_line(report_json(recipe, report)) + "\n");
  write_file_atomically(directory / "quantization_report.html", report_page(recipe, report));
}

}  // namespace octavo::quant
