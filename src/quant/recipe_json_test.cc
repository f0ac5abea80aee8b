#include "quant/recipe_json.h"

#include <gtest/gtest.h>

#include <random>

#include "base/corpus_replay.h"
#include "base/json.h"
#include "octavo/error.h"
#include "quant/rules.h"

namespace octavo::quant {
namespace {

Recipe recipe_of(std::string_view text) {
  return settings_from_json(parse_json(text, "recipe"), "recipe").resolve();
}

std::string error_of(std::string_view text) {
  try {
    recipe_of(text);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

bool contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

TEST(RecipeJson, reads_what_autoawq_writes) {
  const Recipe r = recipe_of(R"({"quant_method": "awq", "bits": 4, "group_size": 64,
      "zero_point": true, "version": "GEMV_fast", "modules_to_not_convert": ["v_proj"]})");
  EXPECT_EQ(r, (Recipe{.method = Recipe::Method::awq,
                       .format = QuantFormat::awq_gemv_fast,
                       .group_size = 64,
                       .not_converted = {"v_proj"}}));
}

TEST(RecipeJson, reads_the_spelling_of_llm_awq) {
  const Recipe r =
      recipe_of(R"({"quant_method": "awq", "w_bit": 4, "q_group_size": 32, "zero_point": false})");
  EXPECT_EQ(r.group_size, 32);
  EXPECT_EQ(r.format, QuantFormat::awq_gemm);
  EXPECT_TRUE(r.symmetric);
}

TEST(RecipeJson, reads_what_gptqmodel_writes) {
  const Recipe r = recipe_of(R"({"bits": 3, "dynamic": {"+:.*down_proj": {"bits": 8, "mse": 2.4},
      "-:.*layers\\.0\\..*": {}, "lm_head": {"group_size": -1, "sym": false, "desc_act": true}},
      "group_size": -1, "desc_act": true, "lm_head": true, "method": "gptq",
      "quant_method": "gptq", "format": "gptq_v2", "checkpoint_format": "gptq_v2",
      "pack_dtype": "int32", "sym": false,
      "meta": {"quantizer": ["gptqmodel:7.7.0"], "damp_percent": 0.1, "static_groups": true,
               "true_sequential": false, "mse": 0.0, "gptaq": {"alpha": 0.5, "device": "auto"},
               "foem": null, "act_group_aware": false, "fallback": {"strategy": "rtn"}}})");
  EXPECT_EQ(
      r,
      (Recipe{
          .method = Recipe::Method::gptq,
          .format = QuantFormat::gptq_v2,
          .bits = 3,
          .group_size = 0,
          .head = true,
          .rules = {{.pattern = ".*layers\\.0\\..*", .skip = true},
                    {.pattern = ".*down_proj", .plus = true, .bits = 8, .mse = 2.4f},
                    {.pattern = "lm_head", .group_size = 0, .symmetric = false, .desc_act = true}},
          .desc_act = true,
          .static_groups = true,
          .act_group_aware = false,
          .true_sequential = false,
          .damp_percent = 0.1f,
          .gptaq_alpha = 0.5f}));
}

TEST(RecipeJson, reads_awq_as_gptqmodel_writes_it) {
  const Recipe r = recipe_of(R"({"quant_method": "awq", "bits": 4, "group_size": 64,
      "zero_point": true, "checkpoint_format": "gemm", "version": "gemm", "desc_act": false})");
  EXPECT_EQ(r.format, QuantFormat::awq_gemm);
  EXPECT_TRUE(r.states_format);
}

TEST(RecipeJson, reads_compressed_tensors) {
  const Recipe r = recipe_of(R"({"quant_method": "compressed-tensors", "format": "pack-quantized",
      "version": "0.10.2", "config_groups": {"group_0": {"targets": ["Linear"], "weights":
      {"num_bits": 8, "type": "int", "symmetric": true, "strategy": "channel"}}},
      "ignore": ["lm_head", "model.layers.0.mlp.up_proj", "re:.*gate.*"]})");
  EXPECT_EQ(r.format, QuantFormat::compressed_tensors);
  EXPECT_EQ(r.bits, 8);
  EXPECT_EQ(r.group_size, 0);
  const Rules rules(r.rules, "recipe");
  EXPECT_NE(rules.find("model.layers.0.mlp.up_proj"), nullptr);
  EXPECT_EQ(rules.find("model.layers.0.mlp.up_proj_2"), nullptr);
  EXPECT_EQ(rules.find("model_layers.0.mlp.up_proj"), nullptr);
  EXPECT_NE(rules.find("model.layers.7.mlp.gate_proj"), nullptr);
}

TEST(RecipeJson, takes_what_is_not_said_from_the_methods_own_implementation) {
  const Recipe gptq = recipe_of(R"({"quant_method": "gptq"})");
  EXPECT_TRUE(gptq.symmetric);
  EXPECT_EQ(gptq.format, QuantFormat::gptq);
  EXPECT_EQ(gptq.bits, 4);
  EXPECT_EQ(gptq.group_size, 128);
  EXPECT_FLOAT_EQ(gptq.damp_percent, 0.05f);
  EXPECT_FALSE(gptq.act_group_aware.has_value());
  const Recipe awq = recipe_of(R"({"quant_method": "awq"})");
  EXPECT_FALSE(awq.symmetric);
  EXPECT_EQ(awq.format, QuantFormat::awq_gemm);
  EXPECT_TRUE(awq.apply_clip && awq.duo_scaling);
  EXPECT_EQ(recipe_of(R"({"quant_method": "awq", "bits": 3})").format,
            QuantFormat::compressed_tensors);
  EXPECT_EQ(recipe_of(R"({"quant_method": "gptq", "bits": 5})").format, QuantFormat::gptq_planar);
}

TEST(RecipeJson, a_null_says_nothing) {
  EXPECT_EQ(recipe_of(R"({"quant_method": "gptq", "mse": null, "gptaq": null, "x": null})"),
            recipe_of(R"({"quant_method": "gptq"})"));
}

TEST(RecipeJson, names_unknown_fields_and_what_they_may_have_meant) {
  EXPECT_TRUE(contains(error_of(R"({"bist": 4})"),
                       "unknown field \"bist\" (recipe): did you mean "
                       "\"bits\"?"));
  EXPECT_TRUE(contains(error_of(R"({"groupsize": 4})"), "\"group_size\"?"));
  EXPECT_TRUE(contains(error_of(R"({"dynamic": {"a": {"bit": 4}}})"), "\"bits\"?"));
  EXPECT_TRUE(contains(error_of(R"({"quant_method": "gtpq"})"), "\"gptq\"?"));
  EXPECT_TRUE(contains(error_of(R"({"version": "gem"})"), "\"gemm\"?"));
}

TEST(RecipeJson, names_the_field_and_the_nearest_setting_of_wrong_values) {
  EXPECT_TRUE(contains(error_of(R"({"bits": 9})"),
                       "9 is not from 2 to 8 (recipe, field bits): "
                       "use 8"));
  EXPECT_TRUE(contains(error_of(R"({"bits": "4"})"), "field bits): use one from 2 to 8"));
  EXPECT_TRUE(contains(error_of(R"({"bits": 1e400})"), "recipe"));
  EXPECT_TRUE(contains(error_of(R"({"group_size": -2})"), "field group_size): use -1"));
  EXPECT_TRUE(contains(error_of(R"({"damp_percent": 1.5})"), "field damp_percent): use 1"));
  EXPECT_TRUE(contains(error_of(R"({"meta": {"mse": true}})"), "field meta.mse)"));
  EXPECT_TRUE(contains(error_of(R"({"sym": 1})"), "field sym): write true or false"));
  EXPECT_TRUE(contains(error_of(R"({"modules_to_not_convert": "a"})"), "write [\"NAME\", ...]"));
  EXPECT_TRUE(contains(error_of(R"({"modules_to_not_convert": [""]})"), "empty name"));
  EXPECT_TRUE(contains(error_of(R"({"pack_dtype": "int16"})"), "use int32"));
  EXPECT_TRUE(contains(error_of(R"({"version": "gptq"})"), "use checkpoint_format"));
  EXPECT_TRUE(contains(error_of("[]"), "not a JSON object"));
}

TEST(RecipeJson, refuses_fields_that_contradict_each_other) {
  EXPECT_TRUE(contains(error_of(R"({"sym": true, "zero_point": true})"), "contradicts"));
  EXPECT_TRUE(contains(error_of(R"({"bits": 4, "w_bit": 3})"), "contradicts"));
  EXPECT_TRUE(
      contains(error_of(R"({"checkpoint_format": "gptq", "version": "gemm"})"), "field version"));
  EXPECT_TRUE(
      contains(error_of(R"({"desc_act": true, "meta": {"desc_act": false}})"), "meta.desc_act"));
}

TEST(RecipeJson, refuses_patterns_that_are_none) {
  EXPECT_TRUE(contains(error_of(R"({"dynamic": {"+:(": {}}})"), "pattern \"(\""));
  EXPECT_TRUE(contains(error_of(R"({"dynamic": {"-:": {}}})"), "no pattern"));
  EXPECT_TRUE(contains(error_of(R"({"dynamic": {"a": 3}})"), "no object"));
}

TEST(RecipeSettings, overlay_takes_what_is_said) {
  RecipeSettings file = settings_from_json(
      parse_json(R"({"quant_method": "gptq", "bits": 3, "desc_act": true})", "f"), "f");
  file.overlay({.bits = 4, .symmetric = false});
  const Recipe r = file.resolve();
  EXPECT_EQ(r.bits, 4);
  EXPECT_TRUE(r.desc_act);
  EXPECT_FALSE(r.symmetric);
  EXPECT_EQ(r.method, Recipe::Method::gptq);
}

// Draws recipes that a file can say.
class AnyRecipe {
 public:
  explicit AnyRecipe(unsigned seed) : generator_(seed) {}

  Recipe draw() {
    Recipe r;
    r.method = static_cast<Recipe::Method>(number(4));
    r.format = static_cast<QuantFormat>(number(8));
    r.states_format = is_awq(r.format) && coin();
    r.bits = 2 + number(7);
    r.group_size = 16 * number(20);
    r.symmetric = coin(), r.head = coin();
    for (int i = number(3); i > 0; --i) r.not_converted.push_back("m" + std::to_string(i));
    const int rules = number(5), skips = rules > 0 ? number(rules) : 0;
    for (int i = 0; i < rules; ++i) r.rules.push_back(rule(i, i < skips));
    if (coin()) r.average_bits = 2 + 6 * share();
    r.apply_clip = coin(), r.duo_scaling = coin(), r.desc_act = coin(), r.static_groups = coin();
    if (coin()) r.act_group_aware = coin();
    r.true_sequential = coin();
    r.damp_percent = share(), r.mse = 8 * share();
    if (coin()) r.gptaq_alpha = share();
    return r;
  }

 private:
  int number(int below) { return static_cast<int>(generator_() % static_cast<unsigned>(below)); }
  bool coin() { return number(2) == 1; }
  float share() { return std::uniform_real_distribution<float>(0, 1)(generator_); }
  Recipe::Rule rule(int i, bool skip) {
    Recipe::Rule rule{.pattern = "model\\.layers\\." + std::to_string(i) + "\\..*", .skip = skip};
    if (skip) return rule;
    rule.plus = coin();
    if (coin()) rule.bits = 2 + number(7);
    if (coin()) rule.group_size = 16 * number(9);
    if (coin()) rule.symmetric = coin();
    if (coin()) rule.desc_act = coin();
    if (coin()) rule.mse = 8 * share();
    return rule;
  }

  std::mt19937 generator_;
};

TEST(RecipeJson, what_is_written_is_read_back) {
  constexpr unsigned kSeed = 20261121;
  AnyRecipe any(kSeed);
  for (int i = 0; i < 2000; ++i) {
    const Recipe recipe = any.draw();
    const std::string text = to_line(to_json(recipe));
    EXPECT_EQ(recipe_of(text), recipe) << "seed " << kSeed << ", draw " << i << ": " << text;
  }
}

TEST(RecipeJson, writes_floats_as_they_were_read) {
  const std::string text = to_line(to_json(recipe_of(R"({"mse": 2.4, "damp_percent": 0.1})")));
  EXPECT_TRUE(contains(text, "\"mse\":2.4,") || contains(text, "\"mse\":2.4}")) << text;
  EXPECT_TRUE(contains(text, "\"damp_percent\":0.1,")) << text;
}

TEST(Rules, the_first_that_matches_the_beginning_counts) {
  const Rules rules({{.pattern = "model.*q_proj", .skip = true},
                     {.pattern = "layers", .skip = true},
                     {.pattern = "model", .bits = 8}},
                    "f");
  EXPECT_TRUE(rules.find("model.layers.0.q_proj")->skip);
  EXPECT_EQ(rules.find("model.layers.0.k_proj")->bits, 8);
  EXPECT_EQ(rules.find("lm_head"), nullptr);
}

TEST(Rules, exponential_patterns_end) {
  const Rules rules({{.pattern = "(a+)+$"}}, "f");
  EXPECT_THROW(rules.find(std::string(64, 'a') + "b"), Error);
}

TEST(RecipeCorpus, is_read_or_refused) { EXPECT_GE(replay_corpus("tests/corpus/recipe"), 8); }

}  // namespace
}  // namespace octavo::quant
