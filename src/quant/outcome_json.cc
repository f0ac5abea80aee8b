#include "base/json.h"
#include "quant/journal.h"

// Reports as the journal keeps them, so that a resumed job reports on all of its layers.

namespace octavo::quant {
namespace {

Json to_json(const MatrixReport& m) {
  Json outliers = Json::array();
  for (const auto& outlier : m.outliers) outliers.push_back({outlier.channel, outlier.ratio});
  return {{"name", m.name},
          {"layer", m.layer},
          {"shape", {m.out, m.in}},
          {"bits", m.bits},
          {"group_size", m.group_size},
          {"relative_error", m.relative_error},
          {"largest_error", m.largest_error},
          {"output_error", m.output_error},
          {"rounding_error", m.rounding_error},
          {"damp", m.damp},
          {"fell_back", m.fell_back},
          {"clipped", m.clipped},
          {"outliers", std::move(outliers)}};
}

MatrixReport matrix_from(const Json& j) {
  MatrixReport m{.name = j.at("name").get<std::string>(),
                 .layer = j.at("layer").get<int64_t>(),
                 .out = j.at("shape").at(0).get<int64_t>(),
                 .in = j.at("shape").at(1).get<int64_t>(),
                 .bits = j.at("bits").get<int>(),
                 .group_size = j.at("group_size").get<int64_t>(),
                 .relative_error = j.at("relative_error").get<double>(),
                 .largest_error = j.at("largest_error").get<double>(),
                 .output_error = j.at("output_error").get<double>(),
                 .rounding_error = j.at("rounding_error").get<double>(),
                 .damp = j.at("damp").get<float>(),
                 .fell_back = j.at("fell_back").get<bool>(),
                 .clipped = j.at("clipped").get<std::vector<int64_t>>()};
  for (const Json& outlier : j.at("outliers"))
    m.outliers.push_back({outlier.at(0).get<int64_t>(), outlier.at(1).get<double>()});
  return m;
}

Json to_json(const ScaleReport& s) {
  return {{"from", s.from},         {"to", s.to},        {"ratio", s.ratio}, {"loss", s.loss},
          {"loss_one", s.loss_one}, {"scales", s.scales}};
}

ScaleReport scale_from(const Json& j) {
  return {.from = j.at("from").get<std::string>(),
          .to = j.at("to").get<std::string>(),
          .ratio = j.at("ratio").get<double>(),
          .loss = j.at("loss").get<double>(),
          .loss_one = j.at("loss_one").get<double>(),
          .scales = j.at("scales").get<std::vector<float>>()};
}

}  // namespace

Json to_json(const LayerOutcome& outcome) {
  Json matrices = Json::array(), scales = Json::array();
  for (const MatrixReport& m : outcome.matrices) matrices.push_back(to_json(m));
  for (const ScaleReport& s : outcome.scales) scales.push_back(to_json(s));
  return {{"layer", outcome.layer.layer},
          {"output_error", outcome.layer.output_error},
          {"rounding_error", outcome.layer.rounding_error},
          {"seconds", outcome.layer.seconds},
          {"matrices", std::move(matrices)},
          {"scales", std::move(scales)}};
}

LayerOutcome outcome_from(const Json& j) {
  LayerOutcome outcome{.layer = {.layer = j.at("layer").get<int64_t>(),
                                 .output_error = j.at("output_error").get<double>(),
                                 .rounding_error = j.at("rounding_error").get<double>(),
                                 .seconds = j.at("seconds").get<double>()}};
  for (const Json& m : j.at("matrices")) outcome.matrices.push_back(matrix_from(m));
  for (const Json& s : j.at("scales")) outcome.scales.push_back(scale_from(s));
  return outcome;
}

}  // namespace octavo::quant
