#include "cli/yaml_subset.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "octavo/error.h"

namespace octavo::cli {
namespace {

TEST(YamlSubset, reads_what_configurations_of_servers_hold) {
  const Json config = parse_yaml_subset(
      "---\n# a comment\nmodel: models/demo\nport: 8001  # not 8000\nmax-model-len: 512\n"
      "enable-prefix-caching: true\napi-key:\n  - 'k#1'\n- two\ngeneration-config: \"vllm\"\n"
      "served-model-name: [\"a\", \"b\"]\n",
      "c.yaml");
  EXPECT_EQ(config["model"], "models/demo");
  EXPECT_EQ(config["port"], 8001);
  EXPECT_EQ(config["enable-prefix-caching"], true);
  EXPECT_EQ(config["api-key"], Json::parse(R"(["k#1", "two"])"));
  EXPECT_EQ(config["generation-config"], "vllm");
  EXPECT_EQ(config["served-model-name"], Json::parse(R"(["a", "b"])"));
  EXPECT_EQ(parse_yaml_subset("", "c.yaml"), Json::object());
}

TEST(YamlSubset, refuses_the_rest_by_line) {
  for (const char* bad :
       {"nonsense\n", "a:\n  b: 1\n", "- 1\n", "a: 1\n- 2\n", "a: 1\na: 2\n", ": 1\n", "a:1\n"}) {
    EXPECT_THROW(parse_yaml_subset(bad, "c.yaml"), Error) << bad;
  }
  try {
    parse_yaml_subset("a: 1\nb\n", "c.yaml");
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("line 2"), std::string::npos);
  }
}

}  // namespace
}  // namespace octavo::cli
