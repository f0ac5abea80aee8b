#include "quant/conversion.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>

#include "base/json.h"
#include "base/progress.h"
#include "base/thread_pool.h"
#include "cli/command.h"
#include "cli/model_options.h"
#include "io/quantized_layout.h"
#include "octavo/error.h"

// `octavo dequantize MODEL OUT` and `octavo export MODEL OUT`: a quantized checkpoint in another
// form.

namespace octavo::cli {
namespace {

constexpr QuantFormat kFormats[] = {
    QuantFormat::compressed_tensors,
    QuantFormat::awq_gemm,
    QuantFormat::awq_gemv,
    QuantFormat::awq_gemv_fast,
    QuantFormat::awq_marlin,
    QuantFormat::gptq,
    QuantFormat::gptq_v2,
    QuantFormat::gptq_planar,
};

struct Options {
  ModelOptions model;
  std::string out, dtype = "auto", format = "compressed-tensors", to = "safetensors",
                   shard_size = "4GB";
  int threads = 0;
  bool json = false;
};

std::optional<DType> dense_dtype(const std::string& name) {
  if (name == "float32" || name == "float") return DType::f32;
  if (name == "float16" || name == "half") return DType::f16;
  if (name == "bfloat16") return DType::bf16;
  return std::nullopt;
}

// "500MB", "4GB", "123": decimal units, as huggingface_hub counts.
uint64_t parse_bytes(const std::string& text) {
  const Error wrong("no size: " + text, "--shard-size", "give it like 500MB or 4GB");
  size_t digits = 0;
  uint64_t value = 0;
  for (; digits < text.size() && text[digits] >= '0' && text[digits] <= '9'; ++digits) {
    if (value > UINT64_MAX / 100) throw wrong;
    value = value * 10 + static_cast<uint64_t>(text[digits] - '0');
  }
  std::string unit = text.substr(digits);
  for (char& c : unit) c = static_cast<char>(c >= 'a' && c <= 'z' ? c - 32 : c);
  const uint64_t factor = unit.empty() || unit == "B"   ? 1
                          : unit == "K" || unit == "KB" ? 1'000
                          : unit == "M" || unit == "MB" ? 1'000'000
                          : unit == "G" || unit == "GB" ? 1'000'000'000
                                                        : 0;
  if (digits == 0 || factor == 0 || value == 0 || value > UINT64_MAX / 1000 / factor) throw wrong;
  return value * factor;
}

std::optional<QuantFormat> parse_format(const std::string& name) {
  if (name == "dense") return std::nullopt;
  std::string known = "dense";
  for (const QuantFormat format : kFormats) {
    if (to_string(format) == name) return format;
    known += ", " + to_string(format);
  }
  throw Error("unknown format " + name, "--format", "known: " + known);
}

int print(const Options& options, const quant::ConversionReport& report) {
  if (options.json) {
    const Json answer = {{"out", options.out},
                         {"matrices", report.matrices},
                         {"bytes_before", report.bytes_before},
                         {"bytes_after", report.bytes_after},
                         {"seconds", report.seconds}};
    std::printf("%s\n", to_line(answer).c_str());
    return 0;
  }
  std::printf("%-22s %lld\n", "matrices", static_cast<long long>(report.matrices));
  std::printf("%-22s %.2f MB -> %.2f MB\n", "size", static_cast<double>(report.bytes_before) / 1e6,
              static_cast<double>(report.bytes_after) / 1e6);
  std::printf("%-22s %.2f s\n", "time", report.seconds);
  return 0;
}

int run(const Options& options, std::optional<QuantFormat> format) {
  const auto model = model_directory(options.model);
  ThreadPool pool(options.threads);
  Progress bar(format ? "exporting" : "dequantizing", "bytes", 0);
  const quant::ConversionOptions conversion{
      .dtype = dense_dtype(options.dtype),
      .shard_bytes = parse_bytes(options.shard_size),
      .progress = [&](int64_t done, int64_t all) { bar.update(done, all); }};
  const auto report = format ? quant::export_layout(model, options.out, *format, pool, conversion)
                             : quant::dequantize(model, options.out, pool, conversion);
  bar.finish();
  return print(options, report);
}

void add_common(CLI::App& app, Options& options) {
  add_model(app, options.model);
  app.add_option("OUT", options.out, "directory for the new checkpoint")->required();
  app.add_option("--dtype", options.dtype,
                 "of a dense result: auto (the model's own), float32, "
                 "bfloat16 or float16")
      ->check(CLI::IsMember({"auto", "float32", "float", "bfloat16", "float16", "half"}));
  app.add_option("--shard-size", options.shard_size, "bytes of a file of weights, like 500MB");
  app.add_option("--threads", options.threads, "0: all that this process may use");
  app.add_flag("--json", options.json, "one JSON object on stdout");
}

}  // namespace

std::function<int()> add_dequantize(CLI::App& app) {
  const auto options = std::make_shared<Options>();
  add_common(app, *options);
  return [options] { return run(*options, std::nullopt); };
}

std::function<int()> add_export(CLI::App& app) {
  const auto options = std::make_shared<Options>();
  add_common(app, *options);
  app.add_option("--format", options->format,
                 "dense, compressed-tensors, awq-gemm, awq-gemv, awq-gemv-fast, awq-marlin, gptq, "
                 "gptq-v2 or gptq-planar");
  app.add_option("--to", options->to, "safetensors");
  return [options] {
    if (options->to != "safetensors")
      throw Error("export to " + options->to + " is not supported yet", "--to", "use safetensors");
    return run(*options, parse_format(options->format));
  };
}

}  // namespace octavo::cli
