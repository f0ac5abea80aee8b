#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/json_fwd.h"
#include "cli/model_options.h"
#include "quant/calibration.h"
#include "quant/recipe_settings.h"

namespace octavo::cli {

// What `octavo quantize` is asked to do with one model.
struct QuantizeOptions {
  ModelOptions model;
  std::string name, out;  // name: in the table of a batch
  quant::RecipeSettings recipe;
  quant::CalibrationRequest calibration;
  bool resume = false, dry_run = false, evaluate = false;
  int64_t memory_mib = 0;   // for activations and what is derived from them; 0: half of the free
  std::string evaluate_on;  // text to measure on; empty: the model's own heldout.txt
};

// The command line as CLI11 fills it.
struct QuantizeFlags {
  QuantizeOptions run;
  std::string method, format, quant_config, sampling, batch;
  std::optional<int> bits;
  std::optional<int64_t> group_size, samples, seq_len;
  std::optional<double> average_bits;
  std::vector<std::string> not_converted;
  bool symmetric = false, zero_point = false, head = false, json = false;
  std::optional<bool> desc_act;
};

void add_quantize_options(CLI::App& app, QuantizeFlags& flags);

// The one run that the flags ask for; what --quant-config says, the flags may overrule. Throws
// Error.
QuantizeOptions single_run(const QuantizeFlags& flags);

// The runs of a --batch file: a list of objects, or {"runs": [...], FIELD: what all runs share}.
// An object has "model", "out", "name", "calibration", "samples", "seq_len", "sampling", "seed",
// "evaluate", "evaluate_on", "quant_config" (a file's name or an object) and fields of a recipe;
// flags overrule it. Throws Error naming run and field.
std::vector<QuantizeOptions> batch_runs(const QuantizeFlags& flags);

}  // namespace octavo::cli
