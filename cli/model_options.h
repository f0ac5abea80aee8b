#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "base/thread_pool.h"
#include "cpu/features.h"
#include "model/model.h"

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace octavo::cli {

// What every command that runs a model takes, under vLLM's names.
struct ModelOptions {
  std::string model;
  std::string dtype = "auto", device = "auto", kv_cache_dtype = "auto";
  std::string activations = "auto", quantize_dense = "auto";
  int threads = 0;  // 0: all that this process may use
  std::optional<int64_t> seed;
  int64_t max_model_len = 0;  // 0: the model's own
  std::string plugin;
  std::string hf_overrides;  // JSON
  bool verbose = false;
};

// The positional MODEL.
CLI::Option* add_model(CLI::App& app, ModelOptions& options);
void add_hf_overrides(CLI::App& app, ModelOptions& options);
// --dtype, --activations and --quantize-dense.
void add_precision(CLI::App& app, ModelOptions& options);
// All flags above without MODEL, and with it.
void add_model_flags(CLI::App& app, ModelOptions& options);
void add_model_options(CLI::App& app, ModelOptions& options);

// The directory that `options.model` names. Throws Error when there is none.
std::filesystem::path model_directory(const ModelOptions& options);

// What --dtype, --activations and --quantize-dense say.
PrecisionChoice precision_of(const ModelOptions& options);

// The value of --kv-cache-dtype; nullopt: as the model is multiplied.
std::optional<DType> parse_kv_dtype(const std::string& name);

// The CPU's features that may be used: all, or what OCTAVO_ISA names.
cpu::Features usable_features();

// A loaded model with the threads that it runs on.
struct RunningModel {
  std::unique_ptr<ThreadPool> pool;
  std::shared_ptr<const Model> model;
  std::filesystem::path directory;
  double load_s = 0;
};

// Loads the model, with a progress bar on stderr. Throws Error for whatever is not as it should be.
RunningModel load(const ModelOptions& options);

}  // namespace octavo::cli
