#include "base/file.h"
#include "base/json.h"
#include "octavo/error.h"
#include "quant/recipe_json.h"
#include "quant/report.h"

namespace octavo::quant {
namespace {

constexpr uint64_t kMaxReportBytes = uint64_t{64} << 20;

double number(const Json& json, const char* key, double otherwise) {
  const auto found = json.find(key);
  return found != json.end() && found->is_number() ? found->get<double>() : otherwise;
}

MatrixReport matrix_from(const Json& json) {
  return {.name = json.at("name").get<std::string>(),
          .layer = static_cast<int64_t>(number(json, "layer", -1)),
          .out = json.at("shape").at(0).get<int64_t>(),
          .in = json.at("shape").at(1).get<int64_t>(),
          .bits = json.at("bits").get<int>(),
          .group_size = static_cast<int64_t>(number(json, "group_size", 0)),
          .relative_error = number(json, "relative_error", 0),
          .largest_error = number(json, "largest_error", 0),
          .output_error = number(json, "output_error", -1),
          .rounding_error = number(json, "rounding_error", -1)};
}

Perplexity evaluation_from(const Json& json) {
  Perplexity p;
  p.perplexity = number(json, "perplexity", 0);
  p.standard_error = number(json, "standard_error", 0);
  p.tokens = static_cast<int64_t>(number(json, "tokens", 0));
  if (json.contains("kl_divergence"))
    p.comparison = Comparison{.baseline_perplexity = number(json, "baseline_perplexity", 0),
                              .kl = number(json, "kl_divergence", 0),
                              .kl_error = number(json, "kl_standard_error", 0),
                              .top1_agreement = number(json, "top1_agreement", 0)};
  return p;
}

FinishedJob job_from(const Json& json, const std::string& where) {
  FinishedJob job{.recipe = settings_from_json(json.at("recipe"), where).resolve(), .report = {}};
  QuantizeReport& report = job.report;
  for (const Json& matrix : json.at("matrices")) report.matrices.push_back(matrix_from(matrix));
  if (json.contains("layers")) {
    for (const Json& layer : json["layers"])
      report.layers.push_back({.layer = layer.at("layer").get<int64_t>(),
                               .output_error = number(layer, "output_error", -1),
                               .rounding_error = number(layer, "rounding_error", -1),
                               .seconds = number(layer, "seconds", 0)});
  }
  report.bytes_before = json.at("bytes_before").get<uint64_t>();
  report.bytes_after = json.at("bytes_after").get<uint64_t>();
  report.seconds = number(json, "seconds", 0);
  report.peak_bytes = static_cast<uint64_t>(number(json, "peak_bytes", 0));
  if (json.contains("calibration")) {
    report.calibration = json["calibration"].at("source").get<std::string>();
    report.samples = json["calibration"].at("samples").get<int64_t>();
    report.tokens = json["calibration"].at("tokens").get<int64_t>();
  }
  if (json.contains("notes")) report.notes = json["notes"].get<std::vector<std::string>>();
  if (json.contains("evaluation")) report.evaluation = evaluation_from(json["evaluation"]);
  return job;
}

}  // namespace

std::optional<FinishedJob> read_report(const std::filesystem::path& directory) {
  const std::filesystem::path file = directory / "quantization_report.json";
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(file, ignored)) return std::nullopt;
  try {
    return job_from(parse_json(read_file(file, kMaxReportBytes), file.string()), file.string());
  } catch (const Error&) {
    return std::nullopt;
  } catch (const Json::exception&) {  // a field that is not as write_report() has it
    return std::nullopt;
  }
}

}  // namespace octavo::quant
