#include <algorithm>

#include "base/json.h"
#include "base/progress.h"
#include "cli/bench_options.h"
#include "cpu/cpu.h"
#include "measure/kernel_times.h"
#include "measure/latency.h"
#include "measure/layer_times.h"
#include "measure/memory_use.h"
#include "measure/timed_ops.h"
#include "model/derive.h"
#include "model/load_plan.h"
#include "model/source.h"
#include "octavo/error.h"

// The measurements of a model in this process.

namespace octavo::cli {
namespace {

// The machine's line of a report and its part of the document.
void tell(const measure::Machine& machine, BenchResult result) {
  const Json described = describe(machine);
  std::string line = machine.processor + ", " + std::to_string(machine.pool->threads()) +
                     " threads, kernels " + machine.kernels + ", read " +
                     measure::fixed("%.1f GB/s", described["read_gb_per_s"].get<double>());
  for (const auto& [unit, rate] : described["peak_gop_per_s"].items())
    line += ", " + unit + measure::fixed(" %.0f GOP/s", rate.get<double>());
  if (const Json& share = described["huge_pages"]["share"]; !share.is_null())
    line += measure::fixed(", %.0f %% of the memory on huge pages", 100 * share.get<double>());
  result.json["machine"] = described;
  result.report.line(line);
}

void check_length(const Model& model, int64_t tokens, const char* flag) {
  const int64_t longest = max_sequence_tokens(model.spec);
  if (tokens > longest)
    throw Error("the model takes " + std::to_string(longest) + " tokens at most", flag,
                "use shorter lengths");
}

}  // namespace

void bench_kernels(const BenchOptions& options, BenchResult result) {
  const RunningModel running = load(options.model);
  measure::Machine machine = bench_machine(options, running.model->ops, *running.pool);
  tell(machine, result);
  Progress bar("measuring", "products", 0);
  const auto times = measure::measure_kernels(
      *running.model, machine,
      {.rows = options.rows, .runs = options.runs, .progress = [&](int64_t done, int64_t all) {
         bar.update(done, all);
       }});
  bar.finish();
  result.json["kernels"] = measure::to_json(times);
  measure::show(times, result.report);
}

void bench_layers(const BenchOptions& options, BenchResult result) {
  const RunningModel running = load(options.model);
  const Ops inner = running.model->ops;
  // Nothing runs on the model yet, so its table may still change.
  auto& model = const_cast<Model&>(*running.model);
  model.ops = measure::timed_ops(inner);
  const measure::Machine machine = bench_machine(options, inner, *running.pool);
  tell(machine, result);
  Progress bar("measuring", "runs", options.runs);
  const int64_t prompt = options.input_lens.back();
  check_length(model, prompt + 1, "--input-len");
  const measure::LayerTimes times = measure::measure_layers(
      model, inner, machine,
      {.prompt_tokens = prompt,
       .batch = options.batch_sizes.front(),
       .runs = options.runs,
       .progress = [&](int64_t done, int64_t all) { bar.update(done, all); }});
  bar.finish();
  result.json["layers"] = measure::to_json(times);
  measure::show(times, result.report);
}

void bench_latency(const BenchOptions& options, BenchResult result) {
  const RunningModel running = load(options.model);
  const measure::Machine machine = bench_machine(options, running.model->ops, *running.pool);
  tell(machine, result);
  Progress bar("measuring", "points", 0);
  const auto points = measure::measure_latency(
      running.model, machine,
      {.batch_sizes = options.batch_sizes,
       .input_lens = options.input_lens,
       .output_lens = options.output_lens,
       .runs = options.runs,
       .warm_ups = options.warm_ups,
       .max_batched_tokens = options.max_batched_tokens,
       .seed = static_cast<uint64_t>(options.model.seed.value_or(0)),
       .progress = [&](int64_t done, int64_t all) { bar.update(done, all); }});
  bar.finish();
  result.json.update(measure::to_json(points));
  measure::show(points, result.report);
}

void bench_memory(const BenchOptions& options, BenchResult result) {
  const measure::ProcessMemory before = measure::process_memory();
  const RunningModel running = load(options.model);
  const ModelSource source = ModelSource::open(running.directory, options.model.hf_overrides);
  const LoadPlan plan = plan_load(source, cpu::ops(usable_features()), precision_of(options.model));
  measure::MemoryUse use;
  use.formats = plan.formats;
  use.planned_weights = static_cast<int64_t>(plan.weight_bytes);
  use.tokens = std::min(options.input_lens.back(), max_sequence_tokens(running.model->spec));
  measure::measure_memory(*running.model, *running.pool, before,
                          std::min(use.tokens, options.max_batched_tokens), use);
  result.json["memory"] = measure::to_json(use);
  measure::show(use, result.report);
}

}  // namespace octavo::cli
