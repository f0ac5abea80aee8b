#include "cli/quantize_run.h"

#include <algorithm>

#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "base/progress.h"
#include "base/thread_pool.h"
#include "cpu/cpu.h"
#include "model/companions.h"
#include "model/source.h"
#include "octavo/error.h"
#include "octavo/evaluate.h"
#include "quant/recipe_json.h"
#include "quant/report.h"

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

QuantizeReport quantize_model(const QuantizeOptions& options, const fs::path& model,
                              const Recipe& recipe) {
  QuantizeJob job{.model = model, .out = options.out, .recipe = recipe, .resume = options.resume};
  if (recipe.method != Recipe::Method::rtn) {
    quant::Calibration calibration =
        quant::read_calibration(options.calibration, model, ModelSource::open(model).spec.vocab);
    job.samples = std::move(calibration.samples);
    job.calibration = std::move(calibration.source);
  }
  ThreadPool pool(options.model.threads);
  Progress bar("quantizing", "layers", 0);
  const QuantizeProgress progress{
      .report = [&](const std::string&, int64_t done, int64_t all) { bar.update(done, all); }};
  return quantize(job, cpu::exact_ops(usable_features()), pool, progress);
}

}  // namespace

QuantizeResult run_quantization(const QuantizeOptions& options) {
  const fs::path model = model_directory(options.model);
  QuantizeResult result{.recipe = options.recipe.resolve(), .report = {}};
  fs::path text;
  if (options.evaluate) text = evaluation_text(options, model);
  result.report = quantize_model(options, model, result.recipe);
  for (const std::string& note : result.report.notes) log_line(note);
  if (options.evaluate) {
    result.report.evaluation = evaluate(options, text);
    quant::write_report(options.out, result.recipe, result.report);
  }
  return result;
}

double mean_error(const QuantizeReport& report) {
  double outputs = 0, weights = 0;
  int64_t measured = 0, quantized = 0;
  for (const MatrixReport& m : report.matrices) {
    if (m.bits == 0) continue;
    ++quantized;
    weights += m.relative_error;
    if (m.output_error < 0) continue;
    ++measured;
    outputs += m.output_error;
  }
  if (measured > 0) return outputs / static_cast<double>(measured);
  return quantized > 0 ? weights / static_cast<double>(quantized) : 0;
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
               {"mean_error", mean_error(report)},
               {"seconds", report.seconds}};
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

}  // namespace octavo::cli
