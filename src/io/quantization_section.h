#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json_fwd.h"
#include "io/quantized_layout.h"

namespace octavo {

// A matrix of the checkpoint to be described. Whatever the recipe's rules say is settled.
struct SectionMatrix {
  std::string name;  // full, without ".weight"
  bool dense = false;
  QuantSettings settings = {};  // where not dense
};

// Keys that tools differ in.
struct SectionStyle {
  bool gptqmodel_keys =
      false;  // AWQ as GPTQModel says it: checkpoint_format, desc_act, lm_head too
};

// The `quantization_config` of a checkpoint made by `recipe`: AWQ's and GPTQ's keys come from the
// recipe (its rules become `dynamic`), compressed-tensors' groups from `matrices`, those of one
// kind together. Throws Error (request) where the format has no way to say it: rules with other
// than one width and group in AWQ.
Json quantization_section(const Recipe& recipe, const std::vector<SectionMatrix>& matrices,
                          const SectionStyle& style = {});

// `text` as a regular expression that matches it alone, in Python's syntax and PCRE2's.
std::string quoted_pattern(std::string_view text);

// The file beside config.json in which the format's own tools look for the same section first
// ("quantize_config.json" for GPTQ); empty: none.
std::string section_file(QuantFormat format);

}  // namespace octavo
