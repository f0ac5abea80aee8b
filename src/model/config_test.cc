#include "model/config.h"

#include <gtest/gtest.h>

#include "base/json.h"
#include "model/derive.h"
#include "model/families.h"
#include "octavo/error.h"

namespace octavo {
namespace {

constexpr const char* kLlama =
    R"({"architectures":["LlamaForCausalLM"],"vocab_size":96,"hidden_size":32,"intermediate_size":48,"num_hidden_layers":2,
        "num_attention_heads":4,"num_key_value_heads":2,"max_position_embeddings":64,"rms_norm_eps":1e-5,"hidden_act":"silu","rope_theta":10000.0})";

ModelSpec spec_with(const std::string& key, const Json& value) {
  Json config = parse_json(kLlama, "config.json");
  config[key] = value;
  return spec_of(Config::parse(to_line(config), "config.json"));
}

// The error line of a config with one field changed; empty when it is accepted.
std::string refusal(const std::string& key, const Json& value) {
  try {
    spec_with(key, value);
    return "";
  } catch (const Error& error) {
    return error.what();
  }
}

TEST(Config, reads_both_spellings_of_rope_scaling) {
  const Json old_form = {{"rope_type", "linear"}, {"factor", 2.0}};
  const auto a = spec_with("rope_scaling", old_form);
  Json new_form = old_form;
  new_form["rope_theta"] = 10000.0;
  const auto b = spec_with("rope_parameters", new_form);
  EXPECT_EQ(a, b);
  EXPECT_EQ(std::get<RopeSpec::Linear>(attention_of(a.layers[0]).rope->scaling).factor, 2.0);
  EXPECT_EQ(a.max_positions, 128);
}

TEST(Config, names_the_field_that_is_wrong) {
  const std::pair<const char*, Json> wrong[] = {{"num_attention_heads", 0},
                                                {"num_attention_heads", 6},
                                                {"num_attention_heads", -4},
                                                {"num_key_value_heads", 64},
                                                {"num_key_value_heads", 3},
                                                {"num_hidden_layers", 1000000},
                                                {"num_hidden_layers", int64_t{1} << 62},
                                                {"num_hidden_layers", "four"},
                                                {"num_hidden_layers", nullptr},
                                                {"hidden_size", -64},
                                                {"hidden_size", int64_t{1} << 40},
                                                {"rope_theta", 0},
                                                {"rope_theta", -1.0},
                                                {"rope_theta", 1e300},
                                                {"partial_rotary_factor", 1e300},
                                                {"rms_norm_eps", 1e-60},
                                                {"head_dim", 1 << 20},
                                                {"rms_norm_eps", "small"},
                                                {"hidden_act", "sigmund"},
                                                {"vocab_size", 0},
                                                {"tie_word_embeddings", 1},
                                                {"max_position_embeddings", 0}};
  for (const auto& [key, value] : wrong)
    EXPECT_NE(refusal(key, value).find(key), std::string::npos)
        << key << " = " << to_line(value) << ": " << refusal(key, value);
}

TEST(Config, refuses_unknown_rope_kinds_and_lists_of_the_wrong_length) {
  EXPECT_NE(refusal("rope_scaling", {{"rope_type", "spiral"}, {"factor", 2}}).find("spiral"),
            std::string::npos);
  EXPECT_NE(refusal("rope_scaling", {{"rope_type", "linear"}}).find("factor"), std::string::npos);
  EXPECT_NE(refusal("rope_scaling",
                    {{"rope_type", "longrope"}, {"short_factor", {1.0}}, {"long_factor", {1.0}}})
                .find("short_factor"),
            std::string::npos);
}

// What follows from them would leave the range of float, or cost memory out of all proportion.
TEST(Config, refuses_numbers_without_sense) {
  const auto scaled = [](Json more) {
    Json scaling = {{"rope_type", "yarn"}, {"factor", 4.0}};
    scaling.update(more);
    return refusal("rope_scaling", scaling);
  };
  EXPECT_EQ(scaled(Json::object()), "");
  for (const auto& [key, value] : {std::pair<const char*, double>{"factor", 1e-320},
                                   {"factor", 1e300},
                                   {"beta_fast", 0},
                                   {"mscale", -10},
                                   {"attention_factor", 1e300}})
    EXPECT_NE(scaled({{key, value}}).find(key), std::string::npos) << key << " = " << value;
  Json wide = parse_json(kLlama, "config.json");
  wide.update({{"hidden_size", 1 << 20}, {"num_attention_heads", 1}, {"num_key_value_heads", 1}});
  EXPECT_THROW(spec_of(Config::parse(to_line(wide), "config.json")), Error);
}

TEST(Config, refuses_heads_that_codegen_cannot_quarter) {
  const auto with_heads = [](int heads) {
    const Json json = {{"architectures", {"CodeGenForCausalLM"}},
                       {"n_embd", 24},
                       {"n_head", heads},
                       {"n_layer", 1},
                       {"n_positions", 8},
                       {"vocab_size", 16},
                       {"rotary_dim", 2},
                       {"layer_norm_epsilon", 1e-5},
                       {"activation_function", "gelu_new"}};
    return spec_of(Config::parse(to_line(json), "config.json"));
  };
  EXPECT_EQ(with_heads(4).layers.size(), 1u);
  EXPECT_THROW(with_heads(3), Error);
}

TEST(Config, takes_an_old_family_under_a_new_name) {
  const Config renamed =
      Config::parse(kLlama, "config.json").with(R"({"architectures": ["NewForCausalLM"]})");
  EXPECT_THROW(spec_of(renamed), Error);
  for (const char* mend : {R"({"architecture_alias": "LlamaForCausalLM"})",
                           R"({"architectures": null, "model_type": "llama"})"})
    EXPECT_EQ(spec_of(renamed.with(mend)).layers.size(), 2u) << mend;
  EXPECT_THROW(renamed.with("[1]"), Error);
  EXPECT_THROW(renamed.with("{"), Error);
}

TEST(Config, names_an_unsupported_architecture_and_what_is_supported) {
  const std::string line = refusal("architectures", {"LlambForCausalLM"});
  EXPECT_NE(line.find("LlambForCausalLM"), std::string::npos);
  EXPECT_NE(line.find("inspect --supported"), std::string::npos);
}

TEST(Derive, lists_the_matrices_of_a_layer_in_the_order_of_the_walk) {
  const auto parts = layer_matrices(spec_with("hidden_size", 32), 1, "model.");
  ASSERT_EQ(parts.size(), 7u);
  EXPECT_EQ(parts.front().name, "model.layers.1.self_attn.q_proj");
  EXPECT_EQ(parts[1].out, 16);  // two kv heads of 8
  EXPECT_EQ(parts.back().role, Role::down);
  EXPECT_EQ(parts.back().in, 48);
}

TEST(Derive, counts_parameters_and_cache_bytes) {
  const ModelSpec spec = spec_with("hidden_size", 32);
  EXPECT_EQ(parameters(spec),
            2 * 96 * 32 + 32 + 2 * (2 * 32 * 32 + 2 * 16 * 32 + 3 * 32 * 48 + 2 * 32));
  EXPECT_EQ(kv_bytes_per_token(spec, DType::bf16), 2 * 2 * 16 * 2);
}

}  // namespace
}  // namespace octavo
