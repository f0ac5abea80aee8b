#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/json_fwd.h"
#include "octavo/recipe.h"
#include "quant/recipe_settings.h"

namespace octavo::quant {

// A recipe's fields as checkpoints spell them in `quantization_config` (AutoAWQ, llm-awq,
// AutoGPTQ, GPTQModel with its `meta`, compressed-tensors of one group), and the fields that only a
// quantizer knows (docs/guides/quantize.md lists them). A null says nothing. Throws Error naming
// field and nearest valid setting for unknown fields, wrong types and values, and fields that
// contradict each other.
RecipeSettings settings_from_json(const Json& object, const std::string& where);
RecipeSettings read_settings(const std::filesystem::path& file);

// The names that settings_from_json reads and that matter to it.
std::vector<std::string_view> recipe_fields();

// Every field, under the names that settings_from_json reads: reading it back gives the same
// recipe, where rules that skip come first, no two patterns are equal and rules that skip say no
// more.
Json to_json(const Recipe& recipe);

// The `dynamic` object of a checkpoint: pattern -> what differs.
Json dynamic_to_json(const std::vector<Recipe::Rule>& rules);

}  // namespace octavo::quant
