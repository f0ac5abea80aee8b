#include <CLI/CLI.hpp>
#include <cmath>
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
  const MeanErrors errors = mean_errors(report);
  if (errors.layers >= 0)
    std::printf("%-22s %.5f (plain rounding %.5f)\n", "mean layer error", errors.layers,
                errors.rounding);
  if (errors.weights >= 0) std::printf("%-22s %.5f\n", "mean weight error", errors.weights);
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

// "1 h 12 min", "3 min 20 s", "4 s".
std::string duration(double seconds) {
  const auto whole = static_cast<long long>(std::ceil(seconds));
  if (whole >= 3600)
    return std::to_string(whole / 3600) + " h " + std::to_string(whole / 60 % 60) + " min";
  if (whole >= 60) return std::to_string(whole / 60) + " min " + std::to_string(whole % 60) + " s";
  return std::to_string(whole) + " s";
}

void print(const QuantizeDryRun& plan) {
  const quant::JobEstimate& e = plan.estimate;
  std::printf("%-22s %s, %s\n", "recipe", std::string(quant::name(plan.recipe.method)).c_str(),
              std::string(quant::name(plan.recipe.format)).c_str());
  std::printf("%-22s %lld at %.4g bits, %lld dense\n", "matrices",
              static_cast<long long>(e.matrices), e.mean_bits, static_cast<long long>(e.dense));
  std::printf("%-22s %.2f MB -> %.2f MB (%.2fx smaller)\n", "size", megabytes(e.bytes_before),
              megabytes(e.bytes_after), megabytes(e.bytes_before) / megabytes(e.bytes_after));
  if (plan.calibration.samples > 0)
    std::printf("%-22s %lld samples, %lld tokens\n", "calibration",
                static_cast<long long>(plan.calibration.samples),
                static_cast<long long>(plan.calibration.tokens));
  std::printf("%-22s about %.0f MB (free: %.0f MB)\n", "memory", megabytes(e.memory_bytes),
              megabytes(plan.free_memory_bytes));
  std::printf("%-22s about %.0f MB (free: %.0f MB)\n", "disk", megabytes(e.disk_bytes),
              megabytes(plan.free_disk_bytes));
  std::printf("%-22s about %s\n", "time", duration(e.seconds).c_str());
  for (const std::string& line : plan.advice) std::printf("%-22s %s\n", "note", line.c_str());
}

int run_quantize(const QuantizeFlags& flags) {
  if (!flags.batch.empty()) return run_batch(batch_runs(flags), flags.batch + ".html", flags.json);
  const QuantizeOptions options = single_run(flags);
  if (options.dry_run) {
    const QuantizeDryRun plan = dry_run(options);
    if (flags.json)
      std::printf("%s\n", to_line(summary(options, plan)).c_str());
    else
      print(plan);
    return 0;
  }
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
