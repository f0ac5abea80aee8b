#include "cli/quantize_batch.h"

#include <cstdio>
#include <optional>

#include "base/atomic_file.h"
#include "base/html_report.h"
#include "base/json.h"
#include "base/log.h"
#include "cli/quantize_run.h"
#include "octavo/error.h"
#include "quant/report.h"

namespace octavo::cli {
namespace {

struct Outcome {
  const QuantizeOptions* run = nullptr;
  std::optional<QuantizeResult> result = {};
  std::optional<QuantizeDryRun> plan = {};    // instead of it
  std::optional<QuantizeResult> before = {};  // what an earlier batch made
  std::string error = {};

  const QuantizeResult* made() const { return result ? &*result : before ? &*before : nullptr; }
};

std::string text(const char* format, double value) {
  char out[64];
  std::snprintf(out, sizeof out, format, value);
  return out;
}

const std::vector<std::string> kColumns = {"run",         "method",       "bits",       "MB",
                                           "layer error", "weight error", "perplexity", "KL",
                                           "time",        "outcome"};

std::vector<std::string> row(const QuantizeOptions& run, const QuantizeDryRun& plan) {
  return {run.name,
          std::string(quant::name(plan.recipe.method)),
          text("%.2f", plan.estimate.mean_bits),
          text("%.2f", static_cast<double>(plan.estimate.bytes_after) / 1e6),
          "",
          "",
          "",
          "",
          text("about %.0f s", plan.estimate.seconds),
          "can be done"};
}

std::vector<std::string> row(const Outcome& outcome) {
  if (outcome.plan) return row(*outcome.run, *outcome.plan);
  if (outcome.made() == nullptr)
    return {outcome.run->name, "", "", "", "", "", "", "", "", "failed: " + outcome.error};
  const QuantizeReport& report = outcome.made()->report;
  const MeanErrors errors = mean_errors(report);
  std::string perplexity, kl;
  if (const auto& p = report.evaluation) {
    perplexity = text("%.4f", p->perplexity);
    if (p->comparison) kl = text("%.5f", p->comparison->kl);
  }
  return {outcome.run->name,
          std::string(quant::name(outcome.made()->recipe.method)),
          text("%.2f", mean_bits(report)),
          text("%.2f", static_cast<double>(report.bytes_after) / 1e6),
          errors.layers >= 0 ? text("%.5f", errors.layers) : "",
          text("%.5f", errors.weights),
          perplexity,
          kl,
          text("%.1f s", report.seconds),
          outcome.before ? "done before" : "done"};
}

void print_table(const std::vector<std::vector<std::string>>& rows) {
  std::vector<size_t> widths(kColumns.size());
  for (const auto& cells : rows) {
    for (size_t i = 0; i < cells.size(); ++i) widths[i] = std::max(widths[i], cells[i].size());
  }
  for (const auto& cells : rows) {
    for (size_t i = 0; i + 1 < cells.size(); ++i)
      std::printf("%-*s  ", static_cast<int>(widths[i]), cells[i].c_str());
    std::printf("%s\n", cells.back().c_str());
  }
}

Json to_json(const Outcome& outcome) {
  if (outcome.made() != nullptr) return summary(*outcome.run, *outcome.made());
  if (outcome.plan) return summary(*outcome.run, *outcome.plan);
  return {{"name", outcome.run->name},
          {"model", outcome.run->model.model},
          {"out", outcome.run->out},
          {"error", outcome.error}};
}

// The result of a run that a batch made before it was interrupted.
std::optional<QuantizeResult> finished(const QuantizeOptions& run) {
  auto job = quant::read_report(run.out);
  const Recipe wanted = run.recipe.resolve();
  // A bit budget ends as rules of its own in the report.
  const bool same = job && (job->recipe == wanted || wanted.average_bits > 0) &&
                    (!run.evaluate || job->report.evaluation.has_value());
  if (!same) return std::nullopt;
  return QuantizeResult{.recipe = std::move(job->recipe), .report = std::move(job->report)};
}

Outcome run_one(const QuantizeOptions& run) {
  Outcome outcome{.run = &run};
  try {
    outcome.before = run.resume ? finished(run) : std::nullopt;
    if (outcome.before)
      log_line(run.name + ": done before");
    else if (run.dry_run)
      outcome.plan = dry_run(run);
    else
      outcome.result = run_quantization(run);
  } catch (const Error& error) {
    outcome.error = error.what();
    log_line(run.name + ": " + outcome.error);
  } catch (const std::bad_alloc&) {
    outcome.error = "out of memory";
    log_line(run.name + ": " + outcome.error);
  }
  return outcome;
}

void write_html(const std::filesystem::path& file,
                const std::vector<std::vector<std::string>>& rows) {
  HtmlReport page("Quantization runs");
  page.paragraph(
      "Bits: the mean of the quantized matrices, without scales. Layer error: the mean over layers "
      "of the change of a layer's output on the calibration data, as a share of what the layer "
      "adds. Weight error: the mean over matrices of ‖W - Ŵ‖ / ‖W‖. KL: nats a token, against the "
      "original.");
  page.table(kColumns, rows);
  write_file_atomically(file, page.text());
}

}  // namespace

int run_batch(const std::vector<QuantizeOptions>& runs, const std::filesystem::path& html,
              bool json) {
  std::vector<std::vector<std::string>> rows;
  Json results = Json::array();
  bool failed = false;
  for (size_t i = 0; i < runs.size(); ++i) {
    log_line("run " + std::to_string(i + 1) + " of " + std::to_string(runs.size()) + ": " +
             runs[i].name);
    const Outcome outcome = run_one(runs[i]);
    failed |= !outcome.error.empty();
    rows.push_back(row(outcome));
    results.push_back(to_json(outcome));
    if (outcome.plan) continue;
    write_html(html, rows);  // after each, so that a long batch can be looked at
  }
  if (json) {
    std::printf("%s\n", to_line({{"runs", results}, {"html", html.string()}}).c_str());
  } else {
    rows.insert(rows.begin(), kColumns);
    print_table(rows);
    if (!runs.front().dry_run) std::printf("table: %s\n", html.c_str());
  }
  return failed ? 1 : 0;
}

}  // namespace octavo::cli
