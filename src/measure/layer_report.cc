#include <algorithm>

#include "base/json.h"
#include "measure/layer_times.h"

namespace octavo::measure {
namespace {

Json to_json(const StepTime& step) {
  Json kinds = Json::array();
  for (const KindTime& k : step.kinds) {
    Json row = {{"kind", k.kind},
                {"calls", k.calls},
                {"seconds", k.seconds},
                {"share_of_step", k.seconds / step.seconds}};
    if (k.limit_s > 0) {
      row["bytes"] = k.bytes;
      row["operations"] = k.operations;
      row["limit_seconds"] = k.limit_s;
      row["share_of_limit"] = k.limit_s / k.seconds;
    }
    kinds.push_back(std::move(row));
  }
  return {{"step", step.step},
          {"sequences", step.sequences},
          {"rows", step.rows},
          {"context_tokens", step.context_tokens},
          {"seconds", step.seconds},
          {"tokens_per_second", step.tokens_per_s()},
          {"share_of_limit", step.limit_s / step.seconds},
          {"kinds", std::move(kinds)},
          {"layer_seconds", step.layer_seconds},
          {"outside_seconds", step.outside_seconds}};
}

void show(const StepTime& step, BenchReport& report) {
  report.heading(step.step + ": " + std::to_string(step.rows) + " rows, " +
                 std::to_string(step.context_tokens) + " tokens of context");
  report.line(duration(step.seconds) + " a step, " + fixed("%.1f", step.tokens_per_s()) +
              " tokens/s, " + percent(step.limit_s / step.seconds) + " of the machine's limit");
  std::vector<std::vector<std::string>> rows;
  std::vector<HtmlReport::Bar> bars;
  for (const KindTime& k : step.kinds) {
    const bool counted = k.limit_s > 0;
    rows.push_back({k.kind, std::to_string(k.calls), duration(k.seconds),
                    percent(k.seconds / step.seconds),
                    counted ? fixed("%.1f", k.bytes / k.seconds / 1e9) : "",
                    counted ? fixed("%.1f", k.operations / k.seconds / 1e9) : "",
                    counted ? percent(k.limit_s / k.seconds) : ""});
    bars.push_back({k.kind, 100 * k.seconds / step.seconds});
  }
  report.table({"kind", "calls", "time", "of step", "GB/s", "GOP/s", "of limit"}, rows);
  report.page().bars("Share of the " + step.step + " step, %", bars);
  HtmlReport::Lines layers{
      .x_label = "layer", .y_label = "ms", .series = {{.name = "layer", .values = {}}}};
  for (const double s : step.layer_seconds) layers.series[0].values.push_back(1e3 * s);
  report.page().lines("Time by layer, " + step.step, layers);
  if (step.layer_seconds.empty()) return;
  const auto [low, high] = std::ranges::minmax(step.layer_seconds);
  report.line("layers from " + duration(low) + " to " + duration(high) + ", outside of them " +
              duration(step.outside_seconds));
}

}  // namespace

Json to_json(const LayerTimes& times) {
  Json steps = Json::array();
  for (const StepTime& step : times.steps) steps.push_back(to_json(step));
  return {{"steps", std::move(steps)},
          {"read_gb_per_s", times.read_rate / 1e9},
          {"peak_gop_per_s", times.peak / 1e9},
          {"unit", times.unit}};
}

void show(const LayerTimes& times, BenchReport& report) {
  report.line("limits: read " + fixed("%.1f", times.read_rate / 1e9) + " GB/s, " + times.unit +
              fixed(" %.0f GOP/s", times.peak / 1e9));
  for (const StepTime& step : times.steps) show(step, report);
}

}  // namespace octavo::measure
