#include "cli/quantize_run.h"

#include <algorithm>

#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "base/progress.h"
#include "base/thread_pool.h"
#include "cache/kv_cache.h"
#include "cpu/cpu.h"
#include "model/companions.h"
#include "model/source.h"
#include "octavo/error.h"
#include "octavo/evaluate.h"
#include "quant/plan.h"
#include "quant/recipe_json.h"
#include "quant/report.h"
#include "tensor/queue.h"

namespace octavo::cli {
namespace {

namespace fs = std::filesystem;

// Enough for two digits of the KL divergence, in a minute or two with a small model.
constexpr int64_t kEvaluationWindow = 512, kEvaluationWindows = 64;
constexpr uint64_t kMaxTextBytes = uint64_t{1} << 30;

fs::path evaluation_text(const QuantizeOptions& options, const fs::path& model) {
  if (!options.evaluate_on.empty()) {
    File{options.evaluate_on};  // says early that it is not there
    return options.evaluate_on;
  }
  std::error_code ignored;
  if (fs::is_regular_file(model / "heldout.txt", ignored)) return model / "heldout.txt";
  throw Error("no text to measure on, and the model brings no heldout.txt", "--evaluate",
              "name a text file with --evaluate-on");
}

Perplexity evaluate(const QuantizeOptions& options, const fs::path& text) {
  ModelOptions made = options.model;
  made.model = options.out;
  made.hf_overrides.clear();
  const RunningModel model = load(made), original = load(options.model);
  Progress bar("measuring", "windows", 0);
  const int64_t window = std::min(kEvaluationWindow, original.model->spec.max_positions);
  PerplexityRequest request{
      .ids = read_tokenizer(original.directory).encode(read_file(text, kMaxTextBytes)),
      .window = window,
      .limit = kEvaluationWindows,
      .progress = [&](int64_t done, int64_t all) { bar.update(done, all); }};
  return measure_perplexity(*model.model, *model.pool, request, original.model.get());
}

// Checked, with its calibration data.
struct Prepared {
  fs::path model;
  Recipe recipe;
  ModelSource source;
  quant::Calibration calibration;
  quant::CalibrationFacts facts;
  std::vector<std::string> advice;
};

quant::CalibrationFacts facts_of(const quant::Calibration& calibration) {
  quant::CalibrationFacts facts{.samples = static_cast<int64_t>(calibration.samples.size()),
                                .tokens = calibration.tokens()};
  for (const auto& sample : calibration.samples)
    facts.longest = std::max(facts.longest, static_cast<int64_t>(sample.size()));
  return facts;
}

// First what is asked for, then the data, which take a while to read.
Prepared prepare(const QuantizeOptions& options) {
  fs::path model = model_directory(options.model);
  Prepared prepared{.model = model,
                    .recipe = options.recipe.resolve(),
                    .source = quant::open_full_precision(model),
                    .calibration = {},
                    .facts = {},
                    .advice = {}};
  const bool needs_data =
      prepared.recipe.method != Recipe::Method::rtn || prepared.recipe.average_bits > 0;
  const quant::CalibrationRequest& request = options.calibration;
  const int64_t samples = request.samples.value_or(quant::CalibrationRequest::kDefaultSamples);
  quant::CalibrationFacts asked;
  if (needs_data || !request.source.empty())
    asked = {.samples = std::max<int64_t>(1, samples), .tokens = 0, .longest = request.seq_len};
  prepared.advice =
      quant::refuse_problems(quant::validate(prepared.recipe, prepared.source, asked));
  if (!needs_data) return prepared;
  prepared.calibration = quant::read_calibration(request, model, prepared.source.spec.vocab);
  prepared.facts = facts_of(prepared.calibration);
  prepared.advice =
      quant::refuse_problems(quant::validate(prepared.recipe, prepared.source, prepared.facts));
  return prepared;
}

QuantizeReport quantize_model(const QuantizeOptions& options, Prepared prepared) {
  QuantizeJob job{.model = prepared.model,
                  .out = options.out,
                  .recipe = prepared.recipe,
                  .samples = std::move(prepared.calibration.samples),
                  .calibration = std::move(prepared.calibration.source),
                  .resume = options.resume,
                  .memory_bytes = static_cast<uint64_t>(options.memory_mib) << 20};
  ThreadPool pool(options.model.threads);
  Progress bar("quantizing", "layers", 0);
  const QuantizeProgress progress{
      .report = [&](const std::string& what, int64_t done, int64_t all) {
        bar.note(what);
        bar.update(done, all);
      }};
  return quantize(job, cpu::exact_ops(usable_features()), pool, progress);
}

uint64_t free_disk_bytes(fs::path folder) {
  std::error_code failed;
  while (!folder.empty() && !fs::exists(folder, failed) && folder != folder.parent_path())
    folder = folder.parent_path();
  const fs::space_info space = fs::space(folder.empty() ? fs::path(".") : folder, failed);
  return failed ? 0 : space.available;
}

}  // namespace

QuantizeResult run_quantization(const QuantizeOptions& options) {
  Prepared prepared = prepare(options);
  fs::path text;
  if (options.evaluate) text = evaluation_text(options, prepared.model);
  for (const std::string& line : prepared.advice) log_line(line);
  QuantizeResult result{.recipe = prepared.recipe, .report = {}};
  const std::vector<std::string> advice = prepared.advice;
  result.report = quantize_model(options, std::move(prepared));
  for (const std::string& note : result.report.notes) log_line(note);
  if (!options.evaluate && advice.empty()) return result;
  result.report.notes.insert(result.report.notes.end(), advice.begin(), advice.end());
  if (options.evaluate) result.report.evaluation = evaluate(options, text);
  quant::write_report(options.out, result.recipe, result.report);
  return result;
}

QuantizeDryRun dry_run(const QuantizeOptions& options) {
  const Prepared prepared = prepare(options);
  if (options.evaluate) evaluation_text(options, prepared.model);
  const auto memory = static_cast<uint64_t>(available_memory_bytes());
  ThreadPool pool(options.model.threads);
  Queue queue(pool);
  const quant::Machine machine{
      .flops = quant::measure_flops(queue, cpu::exact_ops(usable_features())),
      .memory_bytes = memory / 2};
  const quant::Plan plan = quant::make_plan(prepared.source, prepared.recipe);
  return {.recipe = prepared.recipe,
          .calibration = prepared.facts,
          .estimate =
              quant::estimate_job(prepared.source, prepared.recipe, plan, prepared.facts, machine),
          .free_memory_bytes = memory,
          .free_disk_bytes = free_disk_bytes(fs::absolute(options.out)),
          .advice = prepared.advice};
}

MeanErrors mean_errors(const QuantizeReport& report) {
  const auto mean = [](const auto& items, auto value) {
    double sum = 0;
    int64_t count = 0;
    for (const auto& item : items) {
      const double v = value(item);
      if (v < 0) continue;
      sum += v;
      ++count;
    }
    return count > 0 ? sum / static_cast<double>(count) : -1.0;
  };
  return {.layers = mean(report.layers, [](const LayerReport& l) { return l.output_error; }),
          .rounding = mean(report.layers, [](const LayerReport& l) { return l.rounding_error; }),
          .weights = mean(report.matrices, [](const MatrixReport& m) {
            return m.bits > 0 ? m.relative_error : -1.0;
          })};
}

double mean_bits(const QuantizeReport& report) {
  double bits = 0, weights = 0;
  for (const MatrixReport& m : report.matrices) {
    if (m.bits == 0) continue;
    const auto count = static_cast<double>(m.out) * static_cast<double>(m.in);
    bits += count * m.bits;
    weights += count;
  }
  return weights > 0 ? bits / weights : 0;
}

Json summary(const QuantizeOptions& options, const QuantizeResult& result) {
  const QuantizeReport& report = result.report;
  Json json = {{"name", options.name},
               {"model", options.model.model},
               {"out", options.out},
               {"recipe", quant::to_json(result.recipe)},
               {"matrices", report.matrices.size()},
               {"bytes_before", report.bytes_before},
               {"bytes_after", report.bytes_after},
               {"mean_bits", mean_bits(report)},
               {"seconds", report.seconds}};
  const MeanErrors errors = mean_errors(report);
  if (errors.weights >= 0) json["mean_weight_error"] = errors.weights;
  if (errors.layers >= 0) json["mean_layer_error"] = errors.layers;
  if (errors.rounding >= 0) json["mean_layer_error_of_rounding"] = errors.rounding;
  if (!report.calibration.empty())
    json["calibration"] = {
        {"source", report.calibration}, {"samples", report.samples}, {"tokens", report.tokens}};
  if (report.peak_bytes > 0) json["peak_bytes"] = report.peak_bytes;
  if (!report.notes.empty()) json["notes"] = report.notes;
  if (const auto& p = report.evaluation) {
    json["evaluation"] = {{"perplexity", p->perplexity}, {"tokens", p->tokens}};
    if (p->comparison) {
      json["evaluation"]["baseline_perplexity"] = p->comparison->baseline_perplexity;
      json["evaluation"]["kl_divergence"] = p->comparison->kl;
      json["evaluation"]["top1_agreement"] = p->comparison->top1_agreement;
    }
  }
  return json;
}

Json summary(const QuantizeOptions& options, const QuantizeDryRun& plan) {
  const quant::JobEstimate& estimate = plan.estimate;
  return {{"name", options.name},
          {"model", options.model.model},
          {"out", options.out},
          {"recipe", quant::to_json(plan.recipe)},
          {"matrices", estimate.matrices},
          {"dense_matrices", estimate.dense},
          {"mean_bits", estimate.mean_bits},
          {"bytes_before", estimate.bytes_before},
          {"bytes_after", estimate.bytes_after},
          {"samples", plan.calibration.samples},
          {"tokens", plan.calibration.tokens},
          {"estimated_memory_bytes", estimate.memory_bytes},
          {"estimated_disk_bytes", estimate.disk_bytes},
          {"estimated_seconds", estimate.seconds},
          {"free_memory_bytes", plan.free_memory_bytes},
          {"free_disk_bytes", plan.free_disk_bytes},
          {"advice", plan.advice}};
}

}  // namespace octavo::cli
