#include <CLI/CLI.hpp>
#include <algorithm>
#include <iostream>
#include <memory>

#include "base/atomic_file.h"
#include "base/json.h"
#include "base/log.h"
#include "cli/bench_load.h"
#include "cli/command.h"
#include "octavo/error.h"

// `octavo bench WHAT MODEL`: figures beside the limits of the machine, or a server under load.

namespace octavo::cli {
namespace {

struct Measurement {
  std::string_view name, summary;
  void (*run)(const BenchOptions& options, BenchResult result);
};

constexpr Measurement kMeasurements[] = {
    {"kernels", "every product of the model, beside read bandwidth and peak", bench_kernels},
    {"layers", "a prefill and a decode step by layer and by kind of operation", bench_layers},
    {"latency", "first token and time per token over batches and lengths", bench_latency},
    {"memory", "weights, cache and workspace, planned and measured", bench_memory},
    {"throughput", "many requests through the engine at once", bench_throughput},
    {"serve", "a server under load; started here, or one at --base-url", bench_serve},
};

std::string known() {
  std::string names;
  for (const Measurement& m : kMeasurements)
    names += (names.empty() ? "" : ", ") + std::string(m.name);
  return names;
}

const Measurement& find(const std::string& what) {
  for (const Measurement& m : kMeasurements) {
    if (m.name == what) return m;
  }
  throw Error("no measurement of this name", what, "choose one of " + known());
}

void write_file(const std::string& path, const std::string& text) {
  if (!path.empty()) write_file_atomically(path, text);
}

int run_bench(const BenchOptions& options) {
  const Measurement& measurement = find(options.what);
  if (options.model.model.empty() && options.what != "serve")
    throw Error("MODEL is required", "octavo bench", "see `octavo bench --help`");
  Json document = {{"bench", options.what}, {"model", options.model.model}};
  measure::BenchReport report("octavo bench " + options.what + ": " + options.model.model);
  measurement.run(options, {document, report});
  const std::string text = to_line(document) + "\n";
  write_file(options.output_json, text);
  write_file(options.html, report.html());
  std::cout << (options.json ? text : report.text());
  return 0;
}

// A list of numbers: "1,8,32".
CLI::Option* add_list(CLI::App& app, const std::string& name, std::vector<int64_t>& values,
                      const std::string& help) {
  return app.add_option(name, values, help)
      ->delimiter(',')
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 24))
      ->capture_default_str();
}

}  // namespace

std::function<int()> add_bench(CLI::App& app) {
  const auto options = std::make_shared<BenchOptions>();
  BenchOptions& o = *options;
  app.add_option("WHAT", o.what, known())->required();
  add_model_options(app, o.model);
  app.get_option("MODEL")->required(false);  // a server's address may stand for it
  app.add_flag("--json", o.json, "one JSON document on stdout instead of tables");
  app.add_option("--html", o.html, "also write a page with plots to this file");
  app.add_option("--output-json", o.output_json, "also write the JSON document to this file");
  app.add_option("--runs,--num-iters", o.runs, "runs of each measurement; medians are shown")
      ->check(CLI::Range(1, 100000))
      ->capture_default_str();
  app.add_option("--num-iters-warmup", o.warm_ups, "runs before the first that counts (latency)")
      ->check(CLI::Range(0, 1000))
      ->capture_default_str();
  app.add_option("--memory-mb", o.memory_mb,
                 "megabytes that are read to measure the bandwidth; more than the caches hold")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 20))
      ->capture_default_str();
  add_list(app, "--rows", o.rows, "rows of the inputs (kernels)")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 16));
  add_list(app, "--batch-size", o.batch_sizes,
           "requests at once (latency); layers takes the first");
  add_list(app, "--input-len", o.input_lens,
           "tokens of a prompt (latency); layers and memory take the last");
  add_list(app, "--output-len", o.output_lens, "tokens of an answer (latency)");
  app.add_option("--max-num-batched-tokens", o.max_batched_tokens, "tokens in one step")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 20))
      ->capture_default_str();
  o.load = std::make_shared<BenchLoadOptions>();
  add_bench_load(app, *o.load);
  return [options] { return run_bench(*options); };
}

}  // namespace octavo::cli
