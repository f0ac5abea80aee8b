#include "measure/load/load_report.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/json.h"
#include "measure/statistics.h"
#include "octavo/error.h"

namespace octavo::measure {
namespace {

constexpr int64_t kMostSeconds = 4096;  // of the curves
constexpr size_t kBins = 40;

double tpot_s(const LoadResult& r) {
  return (r.latency_s - r.ttft_s) / static_cast<double>(r.output_tokens - 1);
}

bool is_good(const LoadResult& r, const Goodput& g) {
  const double tpot = r.output_tokens > 1 ? 1e3 * tpot_s(r) : 0;
  return (!g.ttft_ms || 1e3 * r.ttft_s <= *g.ttft_ms) && (!g.tpot_ms || tpot <= *g.tpot_ms) &&
         (!g.e2el_ms || 1e3 * r.latency_s <= *g.e2el_ms);
}

// "99" or "99.9", as vLLM names a percentile's field.
std::string short_text(double percent) {
  char text[32];
  std::snprintf(text, sizeof text, "%.6g", percent);
  return text;
}

// Per second of the load: how many requests were under way, how many tokens came.
void curves(const LoadRun& run, LoadSummary& s) {
  const auto length = static_cast<size_t>(
      std::clamp<int64_t>(std::llround(std::ceil(run.seconds)), 1, kMostSeconds));
  s.concurrent.assign(length, 0);
  s.tokens.assign(length, 0);
  const auto second = [&](double at) {
    return std::min(length - 1, static_cast<size_t>(std::max(0.0, at)));
  };
  for (const LoadResult& r : run.results) {
    if (!r.success) continue;
    for (size_t i = second(r.start_s); i <= second(r.start_s + r.latency_s); ++i) ++s.concurrent[i];
    double at = r.start_s + r.ttft_s;
    // A piece may carry several tokens.
    const double weight =
        static_cast<double>(r.output_tokens) / static_cast<double>(r.itl_s.size() + 1);
    s.tokens[second(at)] += weight;
    for (const double gap : r.itl_s) s.tokens[second(at += gap)] += weight;
  }
  s.max_output_tokens_per_s = *std::ranges::max_element(s.tokens);
}

// The most requests at any instant.
int64_t most_at_once(const LoadRun& run) {
  std::vector<std::pair<double, int>> changes;
  for (const LoadResult& r : run.results) {
    if (!r.success) continue;
    changes.emplace_back(r.start_s, 1);
    changes.emplace_back(r.start_s + r.latency_s, -1);
  }
  std::ranges::sort(changes);
  int64_t now = 0, most = 0;
  for (const auto& [at, change] : changes) most = std::max(most, now += change);
  return most;
}

bool wanted(const MetricOptions& options, const Metric& metric) {
  return std::ranges::find(options.metrics, metric.name) != options.metrics.end();
}

}  // namespace

Goodput parse_goodput(const std::vector<std::string>& words) {
  Goodput goodput;
  for (const std::string& word : words) {
    const size_t colon = word.find(':');
    const std::string name = word.substr(0, colon);
    const std::string value = colon == std::string::npos ? "" : word.substr(colon + 1);
    double ms = 0;
    const auto [rest, bad] = std::from_chars(value.data(), value.data() + value.size(), ms);
    auto* field = name == "ttft"   ? &goodput.ttft_ms
                  : name == "tpot" ? &goodput.tpot_ms
                  : name == "e2el" ? &goodput.e2el_ms
                                   : nullptr;
    if (field == nullptr || bad != std::errc() || rest != value.data() + value.size() || !(ms >= 0))
      throw Error("not a goal: " + word, "--goodput",
                  "write ttft:MILLISECONDS, tpot:MILLISECONDS or e2el:MILLISECONDS");
    *field = ms;
  }
  return goodput;
}

LoadSummary summarize(const LoadRun& run, const Goodput& goodput) {
  LoadSummary s{.seconds = run.seconds,
                .metrics = {{"ttft", "Time to First Token", {}},
                            {"tpot", "Time per Output Token (excl. 1st token)", {}},
                            {"itl", "Inter-token Latency", {}},
                            {"e2el", "End-to-end Latency", {}}},
                .concurrent = {},
                .tokens = {}};
  for (const LoadResult& r : run.results) {
    if (!r.success) {
      ++s.failed;
      continue;
    }
    ++s.completed;
    s.input_tokens += r.input_tokens;
    s.output_tokens += r.output_tokens;
    s.good += is_good(r, goodput);
    s.metrics[0].ms.push_back(1e3 * r.ttft_s);
    if (r.output_tokens > 1) s.metrics[1].ms.push_back(1e3 * tpot_s(r));
    for (const double gap : r.itl_s) s.metrics[2].ms.push_back(1e3 * gap);
    s.metrics[3].ms.push_back(1e3 * r.latency_s);
  }
  s.max_concurrent = most_at_once(run);
  curves(run, s);
  return s;
}

Json to_json(const LoadSummary& s, const MetricOptions& options) {
  const auto number = [](double value) { return std::isfinite(value) ? Json(value) : Json(0.0); };
  const auto rate = [&](int64_t count) { return number(static_cast<double>(count) / s.seconds); };
  Json out = {{"duration", s.seconds},
              {"completed", s.completed},
              {"failed", s.failed},
              {"total_input_tokens", s.input_tokens},
              {"total_output_tokens", s.output_tokens},
              {"request_throughput", rate(s.completed)},
              {"request_goodput", options.goodput.empty() ? Json(nullptr) : rate(s.good)},
              {"output_throughput", rate(s.output_tokens)},
              {"total_token_throughput", rate(s.input_tokens + s.output_tokens)},
              {"max_output_tokens_per_s", s.max_output_tokens_per_s},
              {"max_concurrent_requests", s.max_concurrent}};
  for (const Metric& metric : s.metrics) {
    if (!wanted(options, metric)) continue;
    out["mean_" + metric.name + "_ms"] = number(mean(metric.ms));
    out["median_" + metric.name + "_ms"] = number(median(metric.ms));
    out["std_" + metric.name + "_ms"] = number(standard_deviation(metric.ms));
    for (const double p : options.percentiles)
      out["p" + short_text(p) + "_" + metric.name + "_ms"] = number(percentile(metric.ms, p));
  }
  return out;
}

Json details(const LoadRun& run) {
  Json out = {{"input_lens", Json::array()},  {"output_lens", Json::array()},
              {"ttfts", Json::array()},       {"itls", Json::array()},
              {"start_times", Json::array()}, {"generated_texts", Json::array()},
              {"errors", Json::array()}};
  for (const LoadResult& r : run.results) {
    out["input_lens"].push_back(r.input_tokens);
    out["output_lens"].push_back(r.output_tokens);
    out["ttfts"].push_back(r.ttft_s);
    out["itls"].push_back(r.itl_s);
    out["start_times"].push_back(r.start_s);
    out["generated_texts"].push_back(r.text);
    out["errors"].push_back(r.error);
  }
  return out;
}

void show(const LoadSummary& s, const MetricOptions& options, BenchReport& report) {
  const auto rate = [&](int64_t count) { return static_cast<double>(count) / s.seconds; };
  report.heading("Load");
  std::vector<std::vector<std::string>> rows = {
      {"successful requests", std::to_string(s.completed)},
      {"failed requests", std::to_string(s.failed)},
      {"duration (s)", fixed("%.2f", s.seconds)},
      {"input tokens", std::to_string(s.input_tokens)},
      {"generated tokens", std::to_string(s.output_tokens)},
      {"request throughput (req/s)", fixed("%.2f", rate(s.completed))},
      {"output token throughput (tok/s)", fixed("%.2f", rate(s.output_tokens))},
      {"peak output token throughput (tok/s)", fixed("%.0f", s.max_output_tokens_per_s)},
      {"peak concurrent requests", std::to_string(s.max_concurrent)},
      {"total token throughput (tok/s)", fixed("%.2f", rate(s.input_tokens + s.output_tokens))}};
  if (!options.goodput.empty())
    rows.push_back({"request goodput (req/s)", fixed("%.2f", rate(s.good))});
  report.table({"measure", "value"}, rows);

  std::vector<std::string> header = {"ms", "mean", "median", "std"};
  for (const double p : options.percentiles) header.push_back("p" + short_text(p));
  rows.clear();
  for (const Metric& metric : s.metrics) {
    if (!wanted(options, metric)) continue;
    std::vector<std::string> row = {metric.title, fixed("%.2f", mean(metric.ms)),
                                    fixed("%.2f", median(metric.ms)),
                                    fixed("%.2f", standard_deviation(metric.ms))};
    for (const double p : options.percentiles)
      row.push_back(fixed("%.2f", percentile(metric.ms, p)));
    rows.push_back(std::move(row));
  }
  report.heading("Times");
  report.table(header, rows);

  for (const Metric& metric : s.metrics) {
    HtmlReport::Histogram plot = histogram_of(metric.ms, kBins);
    plot.x_label = "ms";
    report.page().histogram(metric.title, plot);
  }
  report.page().lines(
      "Requests under way",
      {.x_label = "second", .y_label = "requests", .series = {{"requests", s.concurrent}}});
  report.page().lines(
      "Tokens put out",
      {.x_label = "second", .y_label = "tokens/s", .series = {{"tokens", s.tokens}}});
}

}  // namespace octavo::measure
