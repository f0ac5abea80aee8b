#include "quant/report.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <limits>

#include "base/json.h"

namespace octavo::quant {
namespace {

// A report in which everything is known.
QuantizeReport full_report() {
  QuantizeReport report{.bytes_before = 4'000'000, .bytes_after = 1'000'000, .peak_bytes = 7};
  for (int64_t layer = 0; layer < 3; ++layer) {
    const std::string prefix = "model.layers." + std::to_string(layer) + ".";
    report.matrices.push_back({.name = prefix + "self_attn.q_proj",
                               .layer = layer,
                               .out = 8,
                               .in = 16,
                               .bits = 4,
                               .group_size = 16,
                               .relative_error = 0.1,
                               .output_error = 0.01,
                               .rounding_error = 0.03,
                               .clipped = {5, 0, 1},
                               .outliers = {{.channel = 3, .ratio = 77.7}}});
    report.matrices.push_back(
        {.name = prefix + "mlp.down_proj", .layer = layer, .out = 8, .in = 16});
    report.layers.push_back(
        {.layer = layer, .output_error = 0.02, .rounding_error = 0.05, .seconds = 1});
  }
  report.scales.push_back({.from = "norm", .to = "q, k, v", .ratio = 0.35, .scales = {0.5f, 2}});
  report.calibration = "calibration.jsonl";
  report.notes = {"Head <kept> dense."};
  report.evaluation = Perplexity{.perplexity = 12.5, .comparison = Comparison{.kl = 0.0123}};
  return report;
}

bool contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

TEST(ReportPage, shows_what_is_known) {
  const std::string page = report_page({.method = Recipe::Method::awq}, full_report());
  for (const char* part :
       {"awq", "4.00 MB → 1.00 MB", "4.00 (matrices: 3 dense, 3 in 4 bits)", "calibration.jsonl",
        "Head &lt;kept&gt; dense.", "12.5000", "0.01230", "Output error by layer",
        "Gain over plain rounding by matrix", "self_attn.q_proj, layer 2: 3<", "Ratios chosen",
        "Limits", "Outlier channels", "77.7", "All matrices"})
    EXPECT_TRUE(contains(page, part)) << part;
}

TEST(ReportPage, leaves_out_what_is_not) {
  QuantizeReport report;
  report.matrices.push_back({.name = "a", .out = 1, .in = 1, .bits = 4});
  const std::string page = report_page({}, report);
  for (const char* part : {"Against the original", "Scales", "Clipping", "Outlier channels",
                           "Output error", "peak memory", "calibrated", "Layers"})
    EXPECT_FALSE(contains(page, std::string(">") + part)) << part;
  EXPECT_TRUE(contains(page, "Weight error by matrix"));
}

TEST(ReportJson, holds_everything_and_is_json_even_of_infinities) {
  QuantizeReport report = full_report();
  report.matrices[0].output_error = std::numeric_limits<double>::infinity();
  const Json json = parse_json(to_line(report_json({.bits = 3}, report)), "report");
  EXPECT_EQ(json["recipe"]["bits"], 3);
  EXPECT_TRUE(json["matrices"][0]["output_error"].is_null());
  EXPECT_EQ(json["matrices"][2]["rounding_error"], 0.03);
  EXPECT_EQ(json["matrices"][1]["bits"], 0);
  EXPECT_EQ(json["layers"].size(), 3u);
  EXPECT_EQ(json["scales"][0]["largest"], 2);
  EXPECT_EQ(json["evaluation"]["kl_divergence"], 0.0123);
}

TEST(ReadReport, gives_back_the_figures_of_a_finished_job) {
  const auto folder = std::filesystem::path(testing::TempDir()) / "read-report";
  std::filesystem::create_directories(folder);
  const Recipe recipe{.method = Recipe::Method::gptq, .format = QuantFormat::gptq_v2, .bits = 3};
  write_report(folder, recipe, full_report());
  const auto job = read_report(folder);
  ASSERT_TRUE(job.has_value());
  EXPECT_EQ(job->recipe, recipe);
  EXPECT_EQ(report_json(recipe, job->report)["evaluation"],
            report_json(recipe, full_report())["evaluation"]);
  EXPECT_EQ(report_json(recipe, job->report)["layers"],
            report_json(recipe, full_report())["layers"]);
  EXPECT_EQ(job->report.matrices.size(), 6u);
  EXPECT_EQ(job->report.matrices[0].output_error, 0.01);
  EXPECT_EQ(job->report.bytes_after, 1'000'000u);
  for (const char* damaged : {"{}", "[", "{\"recipe\": {}, \"matrices\": 3}", "null"}) {
    std::ofstream(folder / "quantization_report.json") << damaged;
    EXPECT_FALSE(read_report(folder).has_value()) << damaged;
  }
  std::filesystem::remove_all(folder);
  EXPECT_FALSE(read_report(folder).has_value());
}

}  // namespace
}  // namespace octavo::quant
