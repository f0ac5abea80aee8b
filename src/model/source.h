#pragma once

#include <filesystem>
#include <string_view>

#include "io/checkpoint.h"
#include "io/quantization.h"
#include "model/config.h"
#include "model/spec.h"

namespace octavo {

// A model as it lies on disk: a directory in Hugging Face layout, or a GGUF file. Opened, with
// nothing but headers read.
struct ModelSource {
  Checkpoint checkpoint;
  Config config;              // config.json, or what a GGUF file's metadata say of it
  Quantization quantization;  // what the config says about how matrices are stored
  ModelSpec spec;             // with the names under which this checkpoint keeps its tensors

  // `overrides`, a JSON object or nothing, replaces fields of the config (RFC 7396). Throws Error
  // naming file and tensor or field.
  static ModelSource open(const std::filesystem::path& path, std::string_view overrides = {});
};

// The config alone.
Config read_config(const std::filesystem::path& path);

}  // namespace octavo
