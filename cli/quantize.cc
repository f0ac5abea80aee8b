#include <CLI/CLI.hpp>
#include <memory>

#include "base/json.h"
#include "cli/command.h"
#include "cli/quantize_batch.h"
#include "cli/quantize_options.h"
#include "cli/quantize_run.h"

// `octavo quantize MODEL OUT`: makes a model small.

namespace octavo::cli {
namespace {

double megabytes(uint64_t bytes) { return static_cast<double>(bytes) / 1e6; }

void print(const QuantizeOptions& options, const QuantizeResult& result) {
  const QuantizeReport& report = result.report;
  const Recipe& recipe = result.recipe;
  const std::string group =
      recipe.group_size > 0 ? "group " + std::to_string(recipe.group_size) : "one group a row";
  std::printf("%-22s %s, %s\n", "recipe", std::string(quant::name(recipe.method)).c_str(),
              std::string(quant::name(recipe.format)).c_str());
  std::printf("%-22s %zu at %.4g bits, %s\n", "matrices", report.matrices.size(), mean_bits(report),
              group.c_str());
  std::printf("%-22s %.2f MB -> %.2f MB (%.2fx smaller)\n", "size", megabytes(report.bytes_before),
              megabytes(report.bytes_after),
              megabytes(report.bytes_before) / megabytes(report.bytes_after));
  std::printf("%-22s %.5f\n", "mean relative error", mean_error(report));
  if (!report.calibration.empty())
    std::printf("%-22s %lld samples, %lld tokens of %s\n", "calibration",
                static_cast<long long>(report.samples), static_cast<long long>(report.tokens),
                report.calibration.c_str());
  if (const auto& p = report.evaluation; p && p->comparison)
    std::printf("%-22s %.4f (original %.4f), KL divergence %.5f, same token %.2f %%\n",
                "perplexity", p->perplexity, p->comparison->baseline_perplexity, p->comparison->kl,
                100 * p->comparison->top1_agreement);
  std::printf("%-22s %.2f s\n", "time", report.seconds);
  if (report.peak_bytes > 0)
    std::printf("%-22s %.1f MB\n", "peak memory", megabytes(report.peak_bytes));
  std::printf("%-22s %s/quantization_report.html\n", "report", options.out.c_str());
}

int run_quantize(const QuantizeFlags& flags) {
  if (!flags.batch.empty()) return run_batch(batch_runs(flags), flags.batch + ".html", flags.json);
  const QuantizeOptions options = single_run(flags);
  const QuantizeResult result = run_quantization(options);
  if (flags.json)
    std::printf("%s\n", to_line(summary(options, result)).c_str());
  else
    print(options, result);
  return 0;
}

}  // namespace

std::function<int()> add_quantize(CLI::App& app) {
  const auto flags = std::make_shared<QuantizeFlags>();
  add_quantize_options(app, *flags);
  return [flags] { return run_quantize(*flags); };
}

}  // namespace octavo::cli
