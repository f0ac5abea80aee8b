#include "cli/model_options.h"

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdlib>

#include "base/huge_pages.h"
#include "base/log.h"
#include "base/numa.h"
#include "base/progress.h"
#include "cpu/self_check.h"
#include "io/gguf.h"
#include "io/hub_cache.h"
#include "octavo/error.h"

namespace octavo::cli {
namespace {

namespace fs = std::filesystem;

constexpr int kMaxThreads = 1024;

void check_device(const ModelOptions& options) {
  if (options.device != "auto" && options.device != "cpu") {
    throw Error("device " + options.device + " is not built into this program", "--device",
                "use cpu");
  }
  if (!options.plugin.empty())
    throw Error("plug-ins are not supported yet", "--plugin", "leave it out");
}

DTypeChoice parse_dtype(const std::string& name) {
  if (name == "float32" || name == "float") return DTypeChoice::float32;
  if (name == "bfloat16") return DTypeChoice::bfloat16;
  if (name == "float16" || name == "half") return DTypeChoice::float16;
  return DTypeChoice::automatic;
}

ActivationChoice parse_activations(const std::string& name) {
  if (name == "bf16") return ActivationChoice::exact;
  return name == "int8" ? ActivationChoice::int8 : ActivationChoice::automatic;
}

DenseChoice parse_quantize_dense(const std::string& name) {
  if (name == "none") return DenseChoice::none;
  if (name == "head") return DenseChoice::head;
  return name == "all" ? DenseChoice::all : DenseChoice::automatic;
}

// A kernel that gives no huge pages halves the read rate at worst, and nothing else would tell.
void check_huge_pages(const HugeBuffer& weights) {
  const auto huge = huge_page_bytes(weights.data(), weights.size_bytes());
  const std::string warning =
      !huge ? std::string()
            : huge_page_warning("the weights", weights.size_bytes(), *huge, huge_page_setting());
  if (!warning.empty()) log_line(warning);
}

}  // namespace

std::optional<DType> parse_kv_dtype(const std::string& name) {
  if (name == "float32") return DType::f32;
  if (name == "bfloat16") return DType::bf16;
  if (name == "int8") return DType::i8;
  if (name == "fp8" || name == "fp8_e4m3") return DType::f8_e4m3;
  if (name == "fp8_e5m2") return DType::f8_e5m2;
  return std::nullopt;
}

PrecisionChoice precision_of(const ModelOptions& options) {
  return {parse_dtype(options.dtype), parse_activations(options.activations),
          parse_quantize_dense(options.quantize_dense)};
}

CLI::Option* add_model(CLI::App& app, ModelOptions& options) {
  return app
      .add_option("MODEL", options.model,
                  "directory with config.json and weights, a .gguf file, or OWNER/NAME in the hub "
                  "cache")
      ->required();
}

void add_hf_overrides(CLI::App& app, ModelOptions& options) {
  app.add_option("--hf-overrides", options.hf_overrides,
                 "JSON object whose fields replace those of config.json");
}

void add_precision(CLI::App& app, ModelOptions& options) {
  app.add_option("--dtype", options.dtype, "auto, float32, bfloat16 or float16")
      ->check(CLI::IsMember({"auto", "float32", "float", "bfloat16", "float16", "half"}));
  app.add_option("--activations", options.activations,
                 "what meets quantized weights: bf16 (exact), int8 (rounded by groups), or auto: "
                 "int8 unless --dtype float32")
      ->check(CLI::IsMember({"auto", "bf16", "int8"}));
  app.add_option("--quantize-dense", options.quantize_dense,
                 "dense matrices to keep in 8-bit codes: none, head, all, or auto: the head of a "
                 "quantized model unless --dtype float32")
      ->check(CLI::IsMember({"auto", "none", "head", "all"}));
}

void add_model_options(CLI::App& app, ModelOptions& options) {
  add_model(app, options);
  add_model_flags(app, options);
}

void add_model_flags(CLI::App& app, ModelOptions& options) {
  add_precision(app, options);
  app.add_option("--device", options.device, "auto, cpu, cuda, hip or opencl")
      ->check(CLI::IsMember({"auto", "cpu", "cuda", "hip", "opencl"}));
  app.add_option("--kv-cache-dtype", options.kv_cache_dtype,
                 "auto, float32, bfloat16, int8, fp8 (fp8_e4m3) or fp8_e5m2")
      ->check(
          CLI::IsMember({"auto", "float32", "bfloat16", "int8", "fp8", "fp8_e4m3", "fp8_e5m2"}));
  app.add_option("--threads", options.threads, "threads; 0: all cores of this process")
      ->check(CLI::Range(0, kMaxThreads));
  app.add_option("--seed", options.seed, "seed of whatever is random");
  app.add_option("--max-model-len", options.max_model_len, "tokens of prompt and answer together")
      ->check(CLI::Range(int64_t{0}, int64_t{1} << 31));
  add_hf_overrides(app, options);
  app.add_option("--plugin", options.plugin, "shared library with more families or kernels");
  app.add_flag("--verbose", options.verbose, "more detail on stderr");
}

fs::path model_directory(const ModelOptions& options) {
  const fs::path path(options.model);
  std::error_code ignored;
  if (fs::is_directory(path, ignored) || is_gguf(path)) return path;
  if (fs::exists(path, ignored)) {
    throw Error("neither a model directory nor a GGUF file", options.model,
                "give the directory with config.json and weights");
  }
  if (const auto name = HubName::parse(options.model))
    return find_in_hub_cache(HubSettings::from_environment(), *name);
  throw Error("no such model", options.model,
              "give a directory with config.json and weights, or OWNER/NAME on a hub");
}

cpu::Features usable_features() {
  const char* isa = std::getenv("OCTAVO_ISA");
  return cpu::limit(cpu::detect(), isa == nullptr ? "" : isa);
}

RunningModel load(const ModelOptions& options) {
  check_device(options);
  const auto begin = std::chrono::steady_clock::now();
  RunningModel running;
  running.directory = model_directory(options);
  running.pool = std::make_unique<ThreadPool>(options.threads);
  pin_workers(*running.pool, numa_nodes(allowed_cpus()));
  const cpu::CheckedOps checked = cpu::checked_ops(usable_features());
  for (const std::string& why : checked.refused) log_line("not used: " + why);
  const Ops& ops = checked.ops;
  Progress progress("loading", "bytes", 0);
  const PrecisionChoice precision = precision_of(options);
  LoadOptions load_options{.dtype = precision.dtype,
                           .activations = precision.activations,
                           .quantize_dense = precision.quantize_dense,
                           .config_overrides = options.hf_overrides,
                           .progress = [&](size_t done, size_t all) {
                             progress.update(static_cast<int64_t>(done), static_cast<int64_t>(all));
                           }};
  std::unique_ptr<Model> model = load_model(running.directory, ops, *running.pool, load_options);
  progress.finish();
  model->kv_dtype = parse_kv_dtype(options.kv_cache_dtype).value_or(model->kv_dtype);
  check_huge_pages(model->memory);
  running.model = std::move(model);
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - begin;
  running.load_s = elapsed.count();
  if (options.verbose) {
    log_line("loaded " + options.model + " in " + std::to_string(running.load_s) +
             " s: " + std::to_string(running.model->weight_bytes()) +
             " bytes of weights, kernels " + std::string(running.model->ops.name) + ", " +
             std::to_string(running.pool->threads()) + " threads");
  }
  return running;
}

}  // namespace octavo::cli
