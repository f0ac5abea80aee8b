#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/json_fwd.h"
#include "io/element_scales.h"
#include "io/name_pattern.h"
#include "io/quantized_layout.h"

namespace octavo {

class OnceLog;

// What a checkpoint says about how its matrices are stored: config.json's `quantization_config`, or
// where that has none, the file beside it that AutoGPTQ and AutoAWQ write. Without either all
// fields are empty: plain matrices.
struct Quantization {
  // Matrices whose name fits differ from the rest.
  struct Rule {
    std::optional<NamePattern> pattern;  // else `name`, exactly
    std::string name;
    std::optional<QuantSettings> settings;  // empty: dense
    bool fits(const std::string& matrix) const;
  };

  std::optional<QuantSettings> packed;  // codes of a few bits
  std::vector<Rule> rules;              // the first that fits counts
  ElementScales::Block block;           // of fp8 and int8 elements with scales beside them
  std::shared_ptr<OnceLog> log;  // what opening matrices has to say; null where none is packed

  // Of the section at hand. Throws Error naming the field when it asks for what is not supported.
  static Quantization parse(const Json& section, const std::string& where);
  // Of quantize_config.json or quant_config.json in `directory`, if there is one.
  static Quantization beside_config(const std::filesystem::path& directory);

  // How the matrix `name` is packed, if it is. A rule that says dense gives nothing.
  std::optional<QuantSettings> settings_of(const std::string& matrix) const;
};

// AWQ scales activations too where no norm or matrix stands before a matrix (NAME.act.scales);
// nothing here divides by them. Throws Error naming such a tensor unless it is all ones.
void refuse_scaled_activations(const Checkpoint& checkpoint, const Quantization& quantization);

// The part of parse() for quant_method "compressed-tensors".
Quantization parse_compressed_tensors(const Json& section, const std::string& where);

}  // namespace octavo
