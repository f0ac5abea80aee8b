#include "cli/quantize_options.h"

#include <CLI/CLI.hpp>
#include <array>

#include "base/file.h"
#include "base/json.h"
#include "base/spelling.h"
#include "octavo/error.h"
#include "quant/recipe_json.h"

namespace octavo::cli {
namespace {

using quant::CalibrationRequest;
using quant::RecipeSettings;

constexpr uint64_t kMaxBatchBytes = uint64_t{4} << 20;
constexpr size_t kMaxRuns = 1000;

CalibrationRequest::Sampling parse_sampling(const std::string& text, const std::string& where) {
  if (text == "random") return CalibrationRequest::Sampling::random;
  if (text == "sequential") return CalibrationRequest::Sampling::sequential;
  throw Error("unknown way of sampling \"" + text + "\"", where, "use random or sequential");
}

RecipeSettings recipe_flags(const QuantizeFlags& flags) {
  if (flags.symmetric && flags.zero_point)
    throw Error("--sym and --zero-point exclude each other", "--sym", "give one of them");
  RecipeSettings s;
  if (!flags.method.empty()) s.method = quant::parse_method(flags.method, "--method");
  if (!flags.format.empty()) s.format = quant::parse_format(flags.format, "--format");
  s.bits = flags.bits;
  if (flags.group_size) s.group_size = std::max<int64_t>(0, *flags.group_size);
  if (flags.symmetric || flags.zero_point) s.symmetric = flags.symmetric;
  if (flags.head) s.head = true;
  if (!flags.not_converted.empty()) s.not_converted = flags.not_converted;
  s.average_bits = flags.average_bits;
  s.desc_act = flags.desc_act;
  return s;
}

// What the flags say of a run; the recipe's fields win over those that it has.
void overrule(QuantizeOptions& run, const QuantizeFlags& flags) {
  run.recipe.overlay(recipe_flags(flags));
  CalibrationRequest& calibration = run.calibration;
  const CalibrationRequest& said = flags.run.calibration;
  if (!said.source.empty()) calibration.source = said.source;
  if (flags.samples) calibration.samples = flags.samples;
  if (flags.seq_len) calibration.seq_len = *flags.seq_len;
  if (!flags.sampling.empty()) calibration.sampling = parse_sampling(flags.sampling, "--sampling");
  if (flags.run.model.seed) calibration.seed = static_cast<uint64_t>(*flags.run.model.seed);
  run.resume |= flags.run.resume;
  if (flags.run.memory_mib > 0) run.memory_mib = flags.run.memory_mib;
  run.dry_run |= flags.run.dry_run;
  run.evaluate |= flags.run.evaluate;
  if (!flags.run.evaluate_on.empty()) run.evaluate_on = flags.run.evaluate_on;
  run.evaluate |= !run.evaluate_on.empty();
}

// One run of a batch file. Fields that are none of a run's own are the recipe's.
class RunReader {
 public:
  RunReader(const Json& object, std::string where) : where_(std::move(where)) {
    if (!object.is_object())
      throw Error("no object", where_, "write {\"model\": ..., \"out\": ...}");
    for (const auto& [key, value] : object.items()) {
      if (value.is_null()) continue;
      (is_own(key) ? fields_ : recipe_)[key] = value;
    }
  }

  void read(QuantizeOptions& run) const {
    read_recipe(run.recipe);
    text("name", run.name);
    text("model", run.model.model);
    text("out", run.out);
    text("calibration", run.calibration.source);
    text("evaluate_on", run.evaluate_on);
    std::string sampling;
    text("sampling", sampling);
    if (!sampling.empty()) run.calibration.sampling = parse_sampling(sampling, at("sampling"));
    if (const auto samples = whole("samples")) run.calibration.samples = samples;
    if (const auto length = whole("seq_len")) run.calibration.seq_len = *length;
    if (const auto seed = whole("seed")) run.calibration.seed = static_cast<uint64_t>(*seed);
    if (const Json* value = find("evaluate")) {
      if (!value->is_boolean())
        throw Error("neither true nor false", at("evaluate"), "write true or false");
      run.evaluate = value->get<bool>();
    }
  }

 private:
  static constexpr std::array<std::string_view, 11> kOwn{
      "name",     "model",    "out",  "calibration", "samples",     "seq_len",
      "sampling", "evaluate", "seed", "evaluate_on", "quant_config"};

  bool is_own(const std::string& key) const {
    std::vector<std::string_view> known = quant::recipe_fields();
    const bool of_recipe = std::find(known.begin(), known.end(), key) != known.end();
    const bool own = std::find(kOwn.begin(), kOwn.end(), key) != kOwn.end();
    known.insert(known.end(), kOwn.begin(), kOwn.end());
    if (!own && !of_recipe)
      throw Error("unknown field \"" + key + "\"", where_,
                  did_you_mean(key, known) + "docs/guides/quantize.md lists the fields");
    return own;
  }
  std::string at(const std::string& key) const { return where_ + ", field " + key; }
  const Json* find(const std::string& key) const {
    const auto found = fields_.find(key);
    return found == fields_.end() ? nullptr : &*found;
  }
  void text(const std::string& key, std::string& out) const {
    const Json* value = find(key);
    if (value == nullptr) return;
    if (!value->is_string()) throw Error("no string", at(key), "write it in quotes");
    out = value->get<std::string>();
  }
  std::optional<int64_t> whole(const std::string& key) const {
    const Json* value = find(key);
    if (value == nullptr) return std::nullopt;
    if (!value->is_number_integer()) throw Error("no whole number", at(key), "correct it");
    return value->get<int64_t>();
  }
  void read_recipe(RecipeSettings& recipe) const {
    if (const Json* config = find("quant_config")) {
      recipe.overlay(config->is_string() ? quant::read_settings(config->get<std::string>())
                                         : quant::settings_from_json(*config, at("quant_config")));
    }
    recipe.overlay(quant::settings_from_json(recipe_, where_));
  }

  std::string where_;
  Json fields_ = Json::object(), recipe_ = Json::object();
};

void check_complete(const QuantizeOptions& run, const std::string& where) {
  if (run.model.model.empty())
    throw Error("no model", where, "name a directory with config.json and weights");
  if (run.out.empty()) throw Error("no place for the result", where, "name a directory OUT");
}

}  // namespace

void add_quantize_options(CLI::App& app, QuantizeFlags& flags) {
  add_model_options(app, flags.run.model);
  app.get_option("MODEL")->required(false);  // a batch names its own
  app.add_option("OUT", flags.run.out, "directory for the quantized checkpoint");
  app.add_option("--method", flags.method,
                 "rtn (the default), awq, gptq, or awq_gptq: AWQ's scales, GPTQ's rounding");
  app.add_option("--bits", flags.bits, "2, 3, 4 or 8; 5 to 7 in gptq-planar");
  app.add_option("--group-size", flags.group_size,
                 "inputs that share a scale; -1 or 0: one group a row");
  app.add_flag("--sym", flags.symmetric, "zero fixed at the middle");
  app.add_flag("--zero-point", flags.zero_point, "a zero for each group");
  // A function: bound to an optional, a flag that is not given would say false.
  app.add_flag_function(
      "--desc-act,!--no-desc-act", [&flags](int64_t count) { flags.desc_act = count > 0; },
      "GPTQ: columns in the order of their activations");
  app.add_option("--average-bits", flags.average_bits,
                 "spend so many bits a weight where they matter most");
  app.add_flag("--lm-head", flags.head, "the output head too");
  app.add_option("--modules-to-not-convert", flags.not_converted,
                 "matrices whose name contains one of these stay dense");
  app.add_option("--format", flags.format,
                 "awq-gemm, awq-gemv, gptq, gptq-v2, compressed-tensors, ...; by default the "
                 "method's own");
  app.add_option("--quant-config", flags.quant_config,
                 "JSON file with a recipe, in the fields of quantization_config");
  app.add_option("--calibration", flags.run.calibration.source,
                 ".jsonl, .txt or .parquet, a folder of those, or OWNER/NAME of a data set; by "
                 "default the model's own calibration.jsonl");
  app.add_option("--samples", flags.samples, "samples to calibrate with (128)");
  app.add_option("--seq-len", flags.seq_len, "tokens of a sample (512)");
  app.add_option("--sampling", flags.sampling, "random (the default) or sequential");
  app.add_option("--memory-budget", flags.run.memory_mib,
                 "MiB for activations and Hessians beside one layer; default: half of what is free")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 24));
  app.add_flag("--resume", flags.run.resume, "go on where an interrupted run stopped");
  app.add_flag("--dry-run", flags.run.dry_run,
               "check everything, print plan, memory and time, and stop");
  app.add_flag("--evaluate", flags.run.evaluate,
               "measure perplexity and KL divergence against the original afterwards");
  app.add_option("--evaluate-on", flags.run.evaluate_on,
                 "text for that; by default the model's own heldout.txt");
  app.add_option("--batch", flags.batch, "JSON file with several runs; no MODEL and OUT then");
  app.add_flag("--json", flags.json, "one JSON object on stdout");
}

QuantizeOptions single_run(const QuantizeFlags& flags) {
  QuantizeOptions run = flags.run;
  check_complete(run, "octavo quantize MODEL OUT");
  if (!flags.quant_config.empty()) run.recipe = quant::read_settings(flags.quant_config);
  overrule(run, flags);
  run.name = run.out;
  return run;
}

std::vector<QuantizeOptions> batch_runs(const QuantizeFlags& flags) {
  if (!flags.run.model.model.empty())
    throw Error("MODEL beside --batch", "--batch", "name models in the file");
  const Json file = parse_json(read_file(flags.batch, kMaxBatchBytes), flags.batch);
  Json shared = file.is_object() ? file : Json::object();
  const Json runs = file.is_object() && file.contains("runs") ? file["runs"] : file;
  shared.erase("runs");
  if (!runs.is_array() || runs.empty() || runs.size() > kMaxRuns)
    throw Error("no list of 1 to 1000 runs", flags.batch,
                "write [{\"model\": ..., \"out\": ..., \"method\": ...}, ...]");
  std::vector<QuantizeOptions> out;
  for (size_t i = 0; i < runs.size(); ++i) {
    const std::string where = flags.batch + ", run " + std::to_string(i + 1);
    QuantizeOptions run;
    run.model = flags.run.model;
    if (!flags.quant_config.empty()) run.recipe = quant::read_settings(flags.quant_config);
    RunReader(shared, flags.batch).read(run);
    RunReader(runs[i], where).read(run);
    overrule(run, flags);
    check_complete(run, where);
    if (run.name.empty()) run.name = run.out;
    out.push_back(std::move(run));
  }
  return out;
}

}  // namespace octavo::cli
