#include <CLI/CLI.hpp>
#include <cstdio>
#include <iostream>
#include <map>
#include <memory>

#include "base/json.h"
#include "cli/command.h"
#include "cli/inspect_plan.h"
#include "cli/inspect_rows.h"
#include "cli/model_description.h"
#include "cli/model_options.h"
#include "cli/spec_text.h"
#include "cpu/self_check.h"
#include "io/checkpoint.h"
#include "io/gguf.h"
#include "model/config.h"
#include "model/derive.h"
#include "model/families.h"
#include "model/source.h"
#include "octavo/error.h"
#include "octavo/tokenizer.h"

// `octavo inspect`: all of it from config.json, the headers of the weight files and the CPU; no
// weights are read.

namespace octavo::cli {

void print_row(const std::string& key, const std::string& value) {
  std::string head = key;
  head.resize(std::max<size_t>(head.size() + 1, 16), ' ');
  std::cout << head << value << "\n";
}

std::string mebibytes(const Json& bytes) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2f MiB", bytes.get<double>() / (1 << 20));
  return text;
}

namespace {

namespace fs = std::filesystem;

struct Options {
  ModelOptions model;
  bool supported = false, json = false;
};

Json describe_checkpoint(const Checkpoint& checkpoint) {
  std::map<std::string, int64_t> types;
  const std::vector<std::string> names = checkpoint.names();
  for (const std::string& tensor : names) {
    const TensorEntry& entry = checkpoint.get(tensor);
    types[std::string(entry.type_name())] += static_cast<int64_t>(entry.bytes);
  }
  return {
      {"tensors", names.size()}, {"bytes", checkpoint.total_bytes()}, {"bytes_by_dtype", types}};
}

// The section of config.json, cut to what tells one format from another.
Json describe_quantization(const Config& config) {
  const std::optional<Config> section = config.section("quantization_config");
  if (!section) return nullptr;
  Json found = {{"method", section->text_or("quant_method", "unknown")}};
  if (section->has("format")) found["format"] = section->text("format");
  const auto take = [&](const Json& from) {
    for (const char* key :
         {"version", "checkpoint_format", "bits", "w_bit", "num_bits", "group_size", "q_group_size",
          "sym", "symmetric", "zero_point", "desc_act", "actorder", "lm_head"}) {
      const auto at = from.find(key);
      if (at != from.end() && at->is_primitive()) found[key] = *at;
    }
  };
  take(section->json());
  const Json groups = section->json().value("config_groups", Json::object());
  for (const auto& [group, settings] : groups.items()) {
    if (settings.is_object() && settings.contains("weights") && settings["weights"].is_object())
      take(settings["weights"]);
  }
  return found;
}

Json describe_gguf_files(const fs::path& path) {
  const GgufMetadata metadata = read_gguf_metadata(path);
  Json files = {{"tokenizer", nullptr}, {"chat_template", nullptr}};
  if (metadata.has("tokenizer.ggml.tokens")) {
    const std::string pre = metadata.text_or("tokenizer.ggml.pre", "");
    files["tokenizer"] = "metadata (" + metadata.text_or("tokenizer.ggml.model", "unknown") +
                         (pre.empty() ? "" : ", " + pre) + ")";
  }
  if (metadata.has("tokenizer.chat_template")) files["chat_template"] = "metadata";
  return files;
}

Json describe_files(const fs::path& directory) {
  if (is_gguf(directory)) return describe_gguf_files(directory);
  Json files;
  const auto has = [&](const char* file) { return fs::is_regular_file(directory / file); };
  const fs::path tokenizer = Tokenizer::file_in(directory);
  files["tokenizer"] = tokenizer.empty() ? Json(nullptr) : Json(tokenizer.filename().string());
  files["chat_template"] =
      has("chat_template.jinja") ? Json("chat_template.jinja")
      : has("tokenizer_config.json") &&
              Config::read(directory / "tokenizer_config.json").has("chat_template")
          ? Json("tokenizer_config.json")
          : Json(nullptr);
  return files;
}

Json describe_kernels() {
  const cpu::Features features = usable_features();
  const cpu::CheckedOps checked = cpu::checked_ops(features);
  const Ops& ops = checked.ops;
  return {{"table", ops.name},
          {"linear, dense weights", ops.matmul_dense_name},
          {"linear, quantized weights", ops.matmul_affine_name},
          {"linear, quantized weights, int8 activations", ops.matmul_int8_name},
          {"attention", ops.attention_name},
          {"refused", checked.refused},
          {"not_faster_because", why_not_faster(cpu::detect(), features)}};
}

Json inspect(const fs::path& directory, const ModelOptions& options) {
  const ModelSource source = ModelSource::open(directory, options.hf_overrides);
  const auto& [checkpoint, config, quantization, spec] = source;
  const Json load = describe_load(source, options);
  return {{"model", directory.string()},
          {"architecture", spec.architecture},
          {"parameters", parameters(spec)},
          {"hidden", spec.hidden},
          {"vocab", spec.vocab},
          {"max_positions", spec.max_positions},
          {"layers", describe_layers(spec)},
          {"spec", describe_spec(spec)},
          {"tied_head", spec.head.tied},
          {"checkpoint", describe_checkpoint(checkpoint)},
          {"quantization", describe_quantization(config)},
          {"files", describe_files(directory)},
          {"load", load},
          {"memory", describe_memory(spec, load)},
          {"kernels", describe_kernels()}};
}

std::string plain(const Json& value) {
  if (value.is_null()) return "none";
  return value.is_string() ? value.get<std::string>() : to_line(value);
}

std::string pairs(const Json& object) {
  std::string text;
  if (!object.is_object()) return plain(object);
  for (const auto& [key, value] : object.items())
    text += (text.empty() ? "" : ", ") + key + " " + plain(value);
  return text;
}

void print_text(const Json& report) {
  print_row("model", plain(report["model"]));
  print_row("architecture", plain(report["architecture"]));
  print_row("size", plain(report["parameters"]) + " parameters, hidden " + plain(report["hidden"]) +
                        ", vocabulary " + plain(report["vocab"]) + ", positions " +
                        plain(report["max_positions"]));
  for (const Json& group : report["layers"]) {
    print_row("layers " + plain(group["layers"]), plain(group["mixer"]));
    print_row("", plain(group["ffn"]));
  }
  for (const auto& [part, text] : report["spec"].items()) print_row(part, plain(text));
  const Json& checkpoint = report["checkpoint"];
  print_row("checkpoint",
            mebibytes(checkpoint["bytes"]) + " in " + plain(checkpoint["tensors"]) + " tensors");
  for (const auto& [type, bytes] : checkpoint["bytes_by_dtype"].items())
    print_row("", mebibytes(bytes) + " in " + type);
  print_row("quantization", pairs(report["quantization"]));
  print_row("tokenizer", plain(report["files"]["tokenizer"]));
  print_row("template", plain(report["files"]["chat_template"]));
  print_load(report["load"]);
  print_memory(report["memory"]);
  for (const auto& [kind, kernel] : report["kernels"].items()) {
    if (!kernel.is_array()) print_row("kernels", kind + ": " + plain(kernel));
  }
  for (const Json& reason : report["kernels"]["refused"]) print_row("refused", plain(reason));
  for (const Json& reason : report["kernels"]["not_faster_because"])
    print_row("not faster", plain(reason));
}

int print_supported(bool json) {
  Json supported = Json::array(), open = Json::array();
  for (const Family& family : families())
    supported.push_back({{"architecture", family.architecture}, {"model_type", family.model_type}});
  for (const OpenFamily& family : open_families())
    open.push_back({{"architecture", family.architecture}, {"needs", family.needs}});
  if (json) {
    std::cout << to_line({{"supported", supported}, {"open", open}}) << "\n";
    return 0;
  }
  for (const Json& row : supported) print_row(plain(row["model_type"]), plain(row["architecture"]));
  std::cout << "\nnot yet:\n";
  for (const Json& row : open)
    print_row("", plain(row["architecture"]) + " (" + plain(row["needs"]) + ")");
  return 0;
}

}  // namespace

std::function<int()> add_inspect(CLI::App& app) {
  const auto options = std::make_shared<Options>();
  add_model(app, options->model)->required(false);
  add_hf_overrides(app, options->model);
  app.add_flag("--supported", options->supported, "list the model families instead");
  add_precision(app, options->model);
  app.add_flag("--json", options->json, "one JSON document");
  return [options] {
    if (options->supported) return print_supported(options->json);
    if (options->model.model.empty())
      throw Error("MODEL is required", "octavo inspect", "see `octavo inspect --help`");
    const Json report = inspect(model_directory(options->model), options->model);
    if (options->json) {
      std::cout << report.dump(2, ' ', false, Json::error_handler_t::replace) << "\n";
    } else {
      print_text(report);
    }
    return 0;
  };
}

}  // namespace octavo::cli
