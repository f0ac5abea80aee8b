#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "octavo/recipe.h"

namespace octavo::quant {

// What a file or a command line says of a recipe; what it does not say is empty. Fields as in
// Recipe.
struct RecipeSettings {
  std::optional<Recipe::Method> method = {};
  std::optional<QuantFormat> format = {};
  std::optional<bool> states_format = {};
  std::optional<int> bits = {};
  std::optional<int64_t> group_size = {};
  std::optional<bool> symmetric = {}, head = {};
  std::optional<std::vector<std::string>> not_converted = {};
  std::optional<std::vector<Recipe::Rule>> rules = {};
  std::optional<double> average_bits = {};
  std::optional<bool> apply_clip = {}, duo_scaling = {};
  std::optional<bool> desc_act = {}, static_groups = {}, act_group_aware = {}, true_sequential = {};
  std::optional<float> damp_percent = {}, mse = {}, gptaq_alpha = {};

  // Takes what `over` says; the rest stays.
  void overlay(const RecipeSettings& over);
  // The recipe. What is not said is as the method's best-known implementation has it: AWQ with zero
  // points in AutoAWQ's gemm layout, GPTQ symmetric in the gptq layout; compressed-tensors where
  // those cannot hold the width, and for the other methods.
  Recipe resolve() const;
};

// "awq_gptq"
std::string_view name(Recipe::Method method);
// "awq-gemm", as --format takes it.
std::string_view name(QuantFormat format);
// Case, "-" and "_" make no difference; formats also by the names that checkpoints have for them
// ("gptq_v2", "gemm", "pack-quantized"). Throw Error naming `where` and the nearest name.
Recipe::Method parse_method(std::string_view text, const std::string& where);
QuantFormat parse_format(std::string_view text, const std::string& where);

bool is_awq(QuantFormat format);

}  // namespace octavo::quant
