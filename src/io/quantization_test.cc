#include "io/quantization.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "base/atomic_file.h"
#include "base/json.h"
#include "io/quantization_section.h"
#include "octavo/error.h"

namespace octavo {
namespace {

Quantization parse(const char* text) {
  return Quantization::parse(parse_json(text, "config.json"), "config.json");
}

// The field that the Error names; empty where there is none.
std::string refused(const char* text) {
  try {
    parse(text);
  } catch (const Error& error) {
    const std::string& where = error.where();
    return where.substr(where.rfind(' ') + 1);
  }
  return "";
}

TEST(Quantization, reads_both_spellings_of_awq) {
  const QuantSettings expected{
      .format = QuantFormat::awq_gemm, .bits = 4, .group_size = 64, .symmetric = false};
  EXPECT_EQ(parse(R"({"quant_method":"awq","bits":4,"group_size":64,"zero_point":true,
                      "version":"gemm"})")
                .packed,
            expected);
  EXPECT_EQ(parse(R"({"w_bit":4,"q_group_size":64,"zero_point":true,"version":"GEMM"})").packed,
            expected);
  EXPECT_EQ(parse(R"({"quant_method":"awq","bits":4,"group_size":64})").packed, expected);
  const auto format = [](const std::string& fields) {
    return parse((R"({"quant_method":"awq","bits":4,"group_size":-1,)" + fields + "}").c_str())
        .packed->format;
  };
  EXPECT_EQ(format(R"("version":"GEMV")"), QuantFormat::awq_gemv);
  EXPECT_EQ(format(R"("version":"gemv_fast")"), QuantFormat::awq_gemv_fast);
  EXPECT_EQ(format(R"("version":"marlin","zero_point":false)"), QuantFormat::awq_marlin);
  EXPECT_EQ(format(R"("version":"exllama")"), QuantFormat::awq_gemm);
  EXPECT_EQ(format(R"("backend":"llm-awq")"), QuantFormat::awq_gemv_fast);
  EXPECT_EQ(format(R"("checkpoint_format":"gemm","sym":true)"), QuantFormat::awq_gemm);
}

TEST(Quantization, reads_every_version_of_gptq) {
  const auto packed = [](const std::string& fields) {
    return *parse((R"({"quant_method":"gptq","group_size":32,)" + fields + "}").c_str()).packed;
  };
  const QuantSettings plain{
      .format = QuantFormat::gptq, .bits = 4, .group_size = 32, .symmetric = true};
  EXPECT_EQ(packed(R"("bits":4)"), plain);
  EXPECT_EQ(packed(R"("bits":4,"checkpoint_format":"gptq_v2","sym":false)").format,
            QuantFormat::gptq_v2);
  EXPECT_FALSE(packed(R"("bits":4,"sym":false)").symmetric);
  EXPECT_TRUE(packed(R"("bits":3,"desc_act":true)").act_order);
  EXPECT_EQ(packed(R"("bits":7,"format":"gptq_p")").bits, 7);
  // AutoGPTQ's own file names no method.
  EXPECT_EQ(*parse(R"({"bits":4,"group_size":32,"damp_percent":0.01,"desc_act":false})").packed,
            plain);
  EXPECT_EQ(parse(R"({"bits":4,"group_size":-1,"desc_act":false})").packed->group_size, 0);
}

TEST(Quantization, lets_dynamic_rules_skip_first_and_the_first_change_count) {
  const Quantization q = parse(R"({"quant_method":"gptq","bits":4,"group_size":64,"dynamic":{
      "+:.*down_proj":{"bits":8,"group_size":32,"sym":false},
      ".*mlp.*":{"bits":2},
      "-:.*layers\\.0\\..*":{}}})");
  EXPECT_FALSE(q.settings_of("model.layers.0.mlp.down_proj"));
  EXPECT_EQ(q.settings_of("model.layers.1.mlp.down_proj")->bits, 8);
  EXPECT_EQ(q.settings_of("model.layers.1.mlp.down_proj")->group_size, 32);
  EXPECT_FALSE(q.settings_of("model.layers.1.mlp.down_proj")->symmetric);
  EXPECT_EQ(q.settings_of("model.layers.10.mlp.up_proj")->bits, 2);
  EXPECT_EQ(q.settings_of("model.layers.10.self_attn.q_proj")->bits, 4);
}

TEST(Quantization, keeps_awq_modules_dense_by_a_part_of_their_name) {
  const Quantization q = parse(R"({"quant_method":"awq","bits":4,"group_size":64,
      "modules_to_not_convert":["v_proj","a.b*c"]})");
  EXPECT_FALSE(q.settings_of("model.layers.3.self_attn.v_proj"));
  EXPECT_TRUE(q.settings_of("model.layers.3.self_attn.q_proj"));
  EXPECT_FALSE(q.settings_of("x.a.b*c.y"));
  EXPECT_TRUE(q.settings_of("x.aXbbc.y"));
}

TEST(Quantization, reads_groups_targets_and_ignored_modules_of_compressed_tensors) {
  const Quantization q = parse(R"({"quant_method":"compressed-tensors","format":"pack-quantized",
    "ignore":["lm_head","re:.*layers\\.2\\..*"],
    "config_groups":{
      "group_0":{"targets":["Linear"],"weights":{"num_bits":4,"type":"int","symmetric":true,
                 "strategy":"group","group_size":128}},
      "group_1":{"targets":["re:.*down_proj"],"weights":{"num_bits":8,"type":"int",
                 "symmetric":false,"strategy":"channel","actorder":"static"}},
      "group_2":{"targets":["model.layers.1.mlp.down_proj"],"weights":{"num_bits":3,
                 "strategy":"group","group_size":32,"actorder":"group"}}}})");
  EXPECT_EQ(q.packed, (QuantSettings{.bits = 4, .group_size = 128, .symmetric = true}));
  EXPECT_FALSE(q.settings_of("lm_head"));
  EXPECT_FALSE(q.settings_of("model.layers.2.mlp.down_proj"));
  EXPECT_EQ(q.settings_of("model.layers.3.mlp.down_proj"), (QuantSettings{.bits = 8}));
  EXPECT_EQ(q.settings_of("model.layers.1.mlp.down_proj"),
            (QuantSettings{.bits = 3, .group_size = 32, .symmetric = true, .act_order = true}));
  EXPECT_EQ(q.settings_of("model.layers.3.mlp.up_proj")->bits, 4);
}

TEST(Quantization, refuses_what_it_does_not_know_by_the_field) {
  EXPECT_EQ(refused(R"({"quant_method":"magic"})"), "quant_method");
  EXPECT_EQ(refused(R"({})"), "quant_method");
  EXPECT_EQ(refused(R"({"quant_method":7})"), "quant_method");
  EXPECT_EQ(refused(R"({"quant_method":"awq","bits":8,"group_size":64})"), "bits");
  EXPECT_EQ(refused(R"({"quant_method":"awq","bits":"four","group_size":64})"), "bits");
  EXPECT_EQ(refused(R"({"quant_method":"awq","bits":4,"group_size":64,"version":"gemx"})"),
            "version");
  EXPECT_EQ(refused(R"({"quant_method":"awq","bits":4,"group_size":0})"), "group_size");
  EXPECT_EQ(refused(R"({"quant_method":"awq","bits":4,"group_size":64,"zero_point":"yes"})"),
            "zero_point");
  EXPECT_EQ(refused(R"({"quant_method":"awq","bits":4,"group_size":64,
                        "modules_to_not_convert":"v"})"),
            "modules_to_not_convert");
  EXPECT_EQ(refused(R"({"quant_method":"gptq","bits":5,"group_size":64})"), "bits");
  EXPECT_EQ(refused(R"({"quant_method":"gptq","bits":4000000000,"group_size":64})"), "bits");
  EXPECT_EQ(refused(R"({"quant_method":"gptq","bits":4,"group_size":-7})"), "group_size");
  EXPECT_EQ(refused(R"({"quant_method":"gptq","bits":4,"group_size":9223372036854775807})"),
            "group_size");
  EXPECT_EQ(refused(R"({"quant_method":"gptq","bits":4,"group_size":64,"pack_dtype":"int8"})"),
            "pack_dtype");
  EXPECT_EQ(refused(R"({"quant_method":"gptq","bits":4,"group_size":64,
                        "checkpoint_format":"marlin"})"),
            "checkpoint_format");
  EXPECT_EQ(refused(R"({"quant_method":"gptq","bits":4,"group_size":64,"dynamic":[1]})"),
            "dynamic");
  EXPECT_EQ(refused(R"({"quant_method":"gptq","bits":4,"group_size":64,"dynamic":{"(":{}}})"),
            "dynamic");
  EXPECT_EQ(refused(R"({"quant_method":"gptq","bits":4,"group_size":64,
                        "dynamic":{"a":{"bits":5}}})"),
            "bits");
  EXPECT_EQ(refused(R"({"quant_method":"compressed-tensors","format":"nvfp4-pack-quantized"})"),
            "format");
  EXPECT_EQ(refused(R"({"quant_method":"compressed-tensors","format":"pack-quantized",
                        "config_groups":[]})"),
            "config_groups");
  EXPECT_EQ(refused(R"({"quant_method":"compressed-tensors","format":"pack-quantized",
      "config_groups":{"g":{"weights":{"num_bits":9,"strategy":"channel"}}}})"),
            "num_bits");
  EXPECT_EQ(refused(R"({"quant_method":"compressed-tensors","format":"pack-quantized",
      "config_groups":{"g":{"weights":{"num_bits":4,"type":"float","strategy":"channel"}}}})"),
            "type");
  EXPECT_EQ(refused(R"({"quant_method":"compressed-tensors","format":"pack-quantized",
      "config_groups":{"g":{"weights":{"num_bits":4,"strategy":"block"}}}})"),
            "strategy");
}

TEST(Quantization, ends_a_pattern_that_backtracks_for_ever) {
  const Quantization q = parse(R"({"quant_method":"gptq","bits":4,"group_size":64,
                                   "dynamic":{"(a+)+(a+)+(a+)+b":{}}})");
  EXPECT_THROW(q.settings_of(std::string(60, 'a') + "cb"), Error);
  EXPECT_TRUE(q.settings_of("model.layers.0.mlp.up_proj"));
}

TEST(Quantization, is_found_beside_config_in_the_files_of_older_tools) {
  const auto folder = std::filesystem::temp_directory_path() /
                      ("octavo-quantization-test-" + std::to_string(::getpid()));
  std::filesystem::create_directories(folder);
  EXPECT_FALSE(Quantization::beside_config(folder).packed);
  write_file_atomically(folder / "quant_config.json",
                        R"({"w_bit":4,"q_group_size":128,"version":"GEMV"})");
  EXPECT_EQ(Quantization::beside_config(folder).packed->format, QuantFormat::awq_gemv);
  write_file_atomically(folder / "quantize_config.json",
                        R"({"bits":8,"group_size":128,"desc_act":true})");
  EXPECT_EQ(Quantization::beside_config(folder).packed->bits, 8);
  std::filesystem::remove_all(folder);
}

TEST(QuantizationSection, reads_back_as_what_was_said) {
  for (const QuantFormat format :
       {QuantFormat::compressed_tensors, QuantFormat::awq_gemm, QuantFormat::awq_gemv,
        QuantFormat::awq_gemv_fast, QuantFormat::awq_marlin, QuantFormat::gptq,
        QuantFormat::gptq_v2, QuantFormat::gptq_planar}) {
    for (const int64_t group : {int64_t{64}, int64_t{0}}) {
      const bool symmetric = format == QuantFormat::awq_marlin || group == 0;
      const QuantSettings settings{
          .format = format, .bits = 4, .group_size = group, .symmetric = symmetric};
      const Recipe recipe{.format = format,
                          .bits = 4,
                          .group_size = group,
                          .symmetric = symmetric,
                          .not_converted = {"v_proj"}};
      const Json section =
          quantization_section(recipe, {{.name = "a.q_proj", .settings = settings},
                                        {.name = "a.v_proj", .dense = true},
                                        {.name = "lm_head", .dense = true, .head = true}});
      const Quantization q = Quantization::parse(section, "section");
      EXPECT_EQ(q.settings_of("a.q_proj"), settings) << to_string(format);
      EXPECT_FALSE(q.settings_of("a.v_proj")) << to_string(format);
    }
  }
}

TEST(QuantizationSection, tells_matrices_with_settings_of_their_own) {
  const QuantSettings four{.format = QuantFormat::gptq_v2, .bits = 4, .group_size = 64};
  QuantSettings eight = four;
  eight.bits = 8;
  Recipe recipe{.format = QuantFormat::gptq_v2, .group_size = 64};
  recipe.rules = {{.pattern = ".*layers\\.0\\..*", .skip = true},
                  {.pattern = ".*down_proj", .bits = 8}};
  std::vector<SectionMatrix> matrices{{.name = "m.layers.0.down_proj", .dense = true},
                                      {.name = "m.layers.1.down_proj", .settings = eight},
                                      {.name = "m.layers.1.up_proj", .settings = four},
                                      {.name = "m.layers.2.up_proj", .settings = four}};
  const Quantization gptq = Quantization::parse(quantization_section(recipe, matrices), "s");
  recipe.format = QuantFormat::compressed_tensors;
  for (SectionMatrix& m : matrices) m.settings.format = recipe.format;
  const Quantization strings = Quantization::parse(quantization_section(recipe, matrices), "s");
  for (const Quantization* q : {&gptq, &strings}) {
    EXPECT_FALSE(q->settings_of("m.layers.0.down_proj"));
    EXPECT_EQ(q->settings_of("m.layers.1.down_proj")->bits, 8);
    EXPECT_EQ(q->settings_of("m.layers.2.up_proj")->bits, 4);
  }
  recipe.format = QuantFormat::awq_gemm;
  EXPECT_THROW(quantization_section(recipe, matrices), Error);
}

TEST(QuantizationSection, says_what_gptqmodel_says_of_awq_on_request) {
  const Recipe recipe{.format = QuantFormat::awq_gemm, .group_size = 64};
  EXPECT_FALSE(quantization_section(recipe, {}).contains("checkpoint_format"));
  const Json section = quantization_section(recipe, {}, {.gptqmodel_keys = true});
  EXPECT_EQ(section["checkpoint_format"], "gemm");
  EXPECT_EQ(section["desc_act"], false);
  EXPECT_TRUE(section["modules_to_not_convert"].is_null());
}

TEST(QuotedPattern, matches_the_text_alone) {
  for (const char* text : {"model.layers.0.up_proj", "a+b*(c)[d]{e}^$|\\E\\Q", "x y\n"}) {
    EXPECT_TRUE(NamePattern(quoted_pattern(text) + "$", "test").matches(text)) << text;
  }
  EXPECT_FALSE(NamePattern(quoted_pattern("a.b") + "$", "test").matches("aXb"));
}

}  // namespace
}  // namespace octavo
