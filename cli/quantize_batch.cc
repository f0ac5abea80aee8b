#include "cli/quantize_batch.h"

#include <cstdio>
#include <optional>

#include "base/atomic_file.h"
#include "base/html_report.h"
#include "base/json.h"
#include "base/log.h"
#include "cli/quantize_run.h"
#include "octavo/error.h"

namespace octavo::cli {
namespace {

struct Outcome {
  const QuantizeOptions* run = nullptr;
  std::optional<QuantizeResult> result = {};
  std::string error = {};
};

std::string text(const char* format, double value) {
  char out[64];
  std::snprintf(out, sizeof out, format, value);
  return out;
}

const std::vector<std::string> kColumns = {"run",        "method", "bits", "MB",     "error",
                                           "perplexity", "KL",     "time", "outcome"};

std::vector<std::string> row(const Outcome& outcome) {
  if (!outcome.result)
    return {outcome.run->name, "", "", "", "", "", "", "", "failed: " + outcome.error};
  const QuantizeReport& report = outcome.result->report;
  std::string perplexity, kl;
  if (const auto& p = report.evaluation) {
    perplexity = text("%.4f", p->perplexity);
    if (p->comparison) kl = text("%.5f", p->comparison->kl);
  }
  return {outcome.run->name,
          std::string(quant::name(outcome.result->recipe.method)),
          text("%.2f", mean_bits(report)),
          text("%.2f", static_cast<double>(report.bytes_after) / 1e6),
          text("%.5f", mean_error(report)),
          perplexity,
          kl,
          text("%.1f s", report.seconds),
          "done"};
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
  if (outcome.result) return summary(*outcome.run, *outcome.result);
  return {{"name", outcome.run->name},
          {"model", outcome.run->model.model},
          {"out", outcome.run->out},
          {"error", outcome.error}};
}

Outcome run_one(const QuantizeOptions& run) {
  Outcome outcome{.run = &run};
  try {
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
      "Bits: the mean of the quantized matrices, without scales. Error: the mean over matrices of "
      "the change of their output on the calibration data as a share of it, or of their weights "
      "where there were no data.");
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
    failed |= !outcome.result;
    rows.push_back(row(outcome));
    results.push_back(to_json(outcome));
    write_html(html, rows);  // after each, so that a long batch can be looked at
  }
  if (json) {
    std::printf("%s\n", to_line({{"runs", results}, {"html", html.string()}}).c_str());
  } else {
    rows.insert(rows.begin(), kColumns);
    print_table(rows);
    std::printf("table: %s\n", html.c_str());
  }
  return failed ? 1 : 0;
}

}  // namespace octavo::cli
