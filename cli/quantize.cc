#include "octavo/quantize.h"

#include <CLI/CLI.hpp>
#include <memory>

#include "base/json.h"
#include "base/progress.h"
#include "base/thread_pool.h"
#include "cli/command.h"
#include "cli/model_options.h"
#include "octavo/error.h"

// `octavo quantize MODEL OUT`: makes a model small.

namespace octavo::cli {
namespace {

struct Options {
  ModelOptions model;
  std::string out, method = "rtn", format = "compressed-tensors";
  int bits = 4;
  int64_t group_size = 128;
  bool symmetric = false, zero_point = false, json = false;
  std::vector<std::string> not_converted;
};

Recipe read_recipe(const Options& options) {
  if (options.method != "rtn")
    throw Error("method " + options.method + " is not supported yet", "--method", "use rtn");
  if (options.format != "compressed-tensors")
    throw Error("format " + options.format + " is not supported yet", "--format",
                "use compressed-tensors");
  if (options.symmetric && options.zero_point)
    throw Error("--sym and --zero-point exclude each other", "--sym", "give one of them");
  return {.bits = options.bits,
          .group_size = std::max<int64_t>(0, options.group_size),
          .symmetric = options.symmetric,
          .not_converted = options.not_converted};
}

void print(const Options& options, const QuantizeReport& report) {
  double error = 0;
  for (const MatrixReport& m : report.matrices)
    error += m.relative_error / static_cast<double>(report.matrices.size());
  if (options.json) {
    const Json answer = {{"out", options.out},
                         {"matrices", report.matrices.size()},
                         {"bytes_before", report.bytes_before},
                         {"bytes_after", report.bytes_after},
                         {"mean_relative_error", error},
                         {"seconds", report.seconds}};
    std::printf("%s\n", to_line(answer).c_str());
    return;
  }
  std::printf("%-22s %zu at %d bits, group %lld\n", "matrices", report.matrices.size(),
              options.bits, static_cast<long long>(options.group_size));
  std::printf("%-22s %.2f MB -> %.2f MB (%.2fx smaller)\n", "size",
              static_cast<double>(report.bytes_before) / 1e6,
              static_cast<double>(report.bytes_after) / 1e6,
              static_cast<double>(report.bytes_before) / static_cast<double>(report.bytes_after));
  std::printf("%-22s %.4f\n", "mean relative error", error);
  std::printf("%-22s %.2f s\n", "time", report.seconds);
  std::printf("%-22s %s/quantization_report.html\n", "report", options.out.c_str());
}

int run_quantize(const Options& options) {
  const Recipe recipe = read_recipe(options);
  const auto model = model_directory(options.model);
  ThreadPool pool(options.model.threads);
  Progress bar("quantizing", "bytes", 0);
  const QuantizeProgress progress{
      .report = [&](const std::string&, int64_t done, int64_t all) { bar.update(done, all); }};
  const QuantizeReport report = quantize(model, options.out, recipe, pool, progress);
  bar.finish();
  print(options, report);
  return 0;
}

}  // namespace

std::function<int()> add_quantize(CLI::App& app) {
  const auto options = std::make_shared<Options>();
  add_model_options(app, options->model);
  app.add_option("OUT", options->out, "directory for the quantized checkpoint")->required();
  app.add_option("--method", options->method, "rtn: round to nearest");
  app.add_option("--bits", options->bits, "2, 3, 4 or 8");
  app.add_option("--group-size", options->group_size,
                 "inputs that share a scale; -1 or 0: one group a row");
  app.add_flag("--sym", options->symmetric, "zero fixed at the middle");
  app.add_flag("--zero-point", options->zero_point, "a zero for each group (the default)");
  app.add_option("--format", options->format, "compressed-tensors");
  app.add_option("--modules-to-not-convert", options->not_converted,
                 "matrices whose name contains one of these stay dense");
  app.add_flag("--json", options->json, "one JSON object on stdout");
  return [options] { return run_quantize(*options); };
}

}  // namespace octavo::cli
