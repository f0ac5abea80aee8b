#include "quant/validate.h"

#include <gtest/gtest.h>

#include "octavo/error.h"

namespace octavo::quant {
namespace {

using Weight = Finding::Weight;

// The demo model: inputs of 256 and 768, a head of its own, 1024 positions.
class ValidateTest : public testing::Test {
 protected:
  std::vector<Finding> findings(const Recipe& recipe,
                                const CalibrationFacts& facts = {64, 64 * 512, 512}) const {
    return validate(recipe, source_,
                    recipe.method == Recipe::Method::rtn ? CalibrationFacts{} : facts);
  }

  // "what (where): mend" of all findings of a weight.
  std::string lines(const Recipe& recipe, Weight weight,
                    const CalibrationFacts& facts = {64, 64 * 512, 512}) const {
    std::string out;
    for (const Finding& f : findings(recipe, facts)) {
      if (f.weight == weight) out += f.what + " (" + f.where + "): " + f.mend + "\n";
    }
    return out;
  }

  static bool contains(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
  }

  ModelSource source_ = ModelSource::open("models/demo");
};

TEST_F(ValidateTest, usual_recipes_have_no_problems) {
  EXPECT_EQ(findings({.group_size = 64}).size(), 0u);
  for (const auto format : {QuantFormat::awq_gemm, QuantFormat::compressed_tensors,
                            QuantFormat::gptq, QuantFormat::gptq_v2}) {
    for (const auto method :
         {Recipe::Method::awq, Recipe::Method::gptq, Recipe::Method::awq_gptq}) {
      const Recipe recipe{.method = method, .format = format, .group_size = 64};
      EXPECT_EQ(lines(recipe, Weight::problem), "");
    }
  }
}

TEST_F(ValidateTest, a_group_that_does_not_divide_names_the_nearest_that_do) {
  const auto text =
      lines({.method = Recipe::Method::awq, .format = QuantFormat::awq_gemm, .group_size = 96},
            Weight::problem);
  EXPECT_TRUE(contains(text, "group size 96 does not divide") && contains(text, "use 64 or 128") &&
              contains(text, "more)"))
      << text;
  EXPECT_EQ(lines({.group_size = 96}, Weight::problem), "");
  EXPECT_TRUE(contains(lines({.group_size = 96}, Weight::advice), "few other readers"));
}

TEST_F(ValidateTest, formats_say_what_they_cannot_hold) {
  const auto three = lines(
      {.method = Recipe::Method::awq, .format = QuantFormat::awq_gemm, .bits = 3, .group_size = 64},
      Weight::problem);
  EXPECT_TRUE(contains(three, "3 bits in awq-gemm") && contains(three, "gptq-v2")) << three;
  EXPECT_TRUE(
      contains(lines({.format = QuantFormat::gptq, .bits = 5, .group_size = 64}, Weight::problem),
               "gptq-planar"));
  EXPECT_TRUE(contains(lines({.method = Recipe::Method::gptq,
                              .format = QuantFormat::awq_gemm,
                              .group_size = 64,
                              .desc_act = true},
                             Weight::problem),
                       "act-order in awq-gemm"));
}

TEST_F(ValidateTest, settings_that_exclude_each_other) {
  EXPECT_TRUE(contains(lines({.method = Recipe::Method::awq,
                              .format = QuantFormat::compressed_tensors,
                              .group_size = 64,
                              .desc_act = true},
                             Weight::problem),
                       "act-order is GPTQ's"));
  EXPECT_TRUE(contains(lines({.method = Recipe::Method::gptq,
                              .group_size = 64,
                              .desc_act = true,
                              .act_group_aware = true},
                             Weight::problem),
                       "exclude each other"));
  EXPECT_TRUE(
      contains(lines({.method = Recipe::Method::gptq, .group_size = 64, .static_groups = true},
                     Weight::advice),
               "changes nothing without desc_act"));
}

TEST_F(ValidateTest, calibration_is_needed_and_fits_the_model) {
  const Recipe gptq{.method = Recipe::Method::gptq, .group_size = 64};
  EXPECT_TRUE(contains(lines(gptq, Weight::problem, {}), "needs calibration data"));
  EXPECT_TRUE(contains(lines(gptq, Weight::problem, {1, 1 << 20, 1 << 20}), "--seq-len"));
  EXPECT_TRUE(contains(lines(gptq, Weight::advice, {1, 100, 100}), "are few for"));
}

TEST_F(ValidateTest, only_a_head_of_its_own_can_be_quantized) {
  const Recipe recipe{.group_size = 32, .head = true};
  EXPECT_EQ(lines(recipe, Weight::problem), "");
  source_ = ModelSource::open("tests/data/parity/gemma");
  EXPECT_TRUE(contains(lines(recipe, Weight::problem), "embedding table"));
}

TEST_F(ValidateTest, names_that_match_nothing_are_told) {
  const auto text = lines({.group_size = 64,
                           .not_converted = {"v_porj", "lm_head"},
                           .rules = {{.pattern = "layers", .skip = true}}},
                          Weight::advice);
  EXPECT_TRUE(contains(text, "\"v_porj\"") && contains(text, "rule \"layers\"")) << text;
  EXPECT_FALSE(contains(text, "\"lm_head\"")) << text;
  EXPECT_TRUE(contains(text, "model.layers.0.self_attn.q_proj")) << text;
}

TEST_F(ValidateTest, parts_that_readers_fuse_are_to_be_alike) {
  EXPECT_TRUE(
      contains(lines({.group_size = 64, .not_converted = {"v_proj"}}, Weight::advice), "vLLM"));
  EXPECT_EQ(lines({.group_size = 64, .not_converted = {"down_proj"}}, Weight::advice), "");
}

TEST_F(ValidateTest, something_must_be_left_to_quantize) {
  EXPECT_TRUE(contains(lines({.group_size = 64, .not_converted = {"model"}}, Weight::problem),
                       "every matrix would stay dense"));
}

TEST_F(ValidateTest, an_average_is_within_the_widths) {
  EXPECT_TRUE(contains(lines({.group_size = 64, .average_bits = 9}, Weight::problem), "at most 8"));
  EXPECT_TRUE(contains(lines({.format = QuantFormat::awq_gemm, .group_size = 64, .average_bits = 3},
                             Weight::problem),
                       "layouts of AWQ hold 4 bits"));
}

TEST_F(ValidateTest, all_problems_come_in_one_error) {
  const Recipe recipe{.method = Recipe::Method::awq,
                      .format = QuantFormat::awq_gemm,
                      .bits = 3,
                      .group_size = 64,
                      .average_bits = 3,
                      .desc_act = true};
  try {
    refuse_problems(findings(recipe));
    FAIL();
  } catch (const Error& error) {
    const std::string text = error.what();
    EXPECT_TRUE(contains(text, "average_bits") && contains(text, "desc_act") &&
                contains(text, "3 bits in awq-gemm"))
        << text;
  }
  EXPECT_EQ(refuse_problems(findings({.group_size = 96})).size(), 1u);
}

}  // namespace
}  // namespace octavo::quant
