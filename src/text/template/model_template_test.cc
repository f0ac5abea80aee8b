#include "text/template/model_template.h"

#include <gtest/gtest.h>

#include <fstream>

#include "base/json.h"
#include "octavo/error.h"

namespace octavo {
namespace {

class ModelTemplate : public testing::Test {
 protected:
  void SetUp() override {
    directory_ = std::filesystem::path(testing::TempDir()) /
                 (std::string("octavo_model_template_") +
                  testing::UnitTest::GetInstance()->current_test_info()->name());
    std::filesystem::remove_all(directory_);
    std::filesystem::create_directories(directory_);
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  void write(const std::string& name, const std::string& text) {
    std::ofstream(directory_ / name, std::ios::binary) << text;
  }
  void configure(const Json& config) { write("tokenizer_config.json", config.dump()); }
  std::string render(bool with_tools) const {
    const ModelTemplates templates = ModelTemplates::load(directory_);
    Json context = Json::object();
    templates.add_tokens(context);
    const ChatTemplate* chosen = templates.pick(with_tools);
    return chosen ? chosen->render(context) : "no template";
  }

  std::filesystem::path directory_;
};

TEST_F(ModelTemplate, MayHaveNone) { EXPECT_EQ(render(false), "no template"); }

TEST_F(ModelTemplate, IsTheTextOfTheConfiguration) {
  configure({{"chat_template", "{{ bos_token }}{{ eos_token }}"},
             {"bos_token", "<s>"},
             {"eos_token", {{"content", "</s>"}, {"lstrip", false}}},
             {"pad_token", nullptr}});
  EXPECT_EQ(render(false), "<s></s>");
}

TEST_F(ModelTemplate, PrefersTheFileOfItsOwn) {
  configure({{"chat_template", "old"}, {"bos_token", "<s>"}});
  write("chat_template.jinja", "new{{ bos_token }}");
  EXPECT_EQ(render(false), "new<s>");
}

TEST_F(ModelTemplate, PicksTheOneForTools) {
  configure({{"chat_template",
              {{{"name", "default"}, {"template", "plain"}},
               {{"name", "tool_use"}, {"template", "tools"}}}}});
  EXPECT_EQ(render(false), "plain");
  EXPECT_EQ(render(true), "tools");
}

TEST_F(ModelTemplate, FindsNamedOnesInTheirFolder) {
  configure({{"chat_template", "plain"}});
  std::filesystem::create_directories(directory_ / "additional_chat_templates");
  write("additional_chat_templates/tool_use.jinja", "tools");
  write("additional_chat_templates/notes.txt", "{% if %}");
  EXPECT_EQ(render(false), "plain");
  EXPECT_EQ(render(true), "tools");
  write("chat_template.jinja", "file");
  EXPECT_EQ(render(false), "file");
}

TEST_F(ModelTemplate, ReadsTheFileOfProcessors) {
  write("chat_template.json", R"({"chat_template": "seen"})");
  EXPECT_EQ(render(false), "seen");
}

TEST_F(ModelTemplate, TakesTokensFromTheirMap) {
  configure({{"chat_template", "{{ bos_token }}{{ eos_token }}"}, {"bos_token", "<s>"}});
  write("special_tokens_map.json", R"({"bos_token": "<old>", "eos_token": {"content": "</s>"}})");
  EXPECT_EQ(render(false), "<s></s>");
}

TEST_F(ModelTemplate, TakesTheOnlyOneWhateverItsName) {
  configure({{"chat_template", Json::array({{{"name", "odd"}, {"template", "x"}}})}});
  EXPECT_EQ(render(true), "x");
}

TEST_F(ModelTemplate, KeepsTokensThatTheCallerGives) {
  configure({{"bos_token", "<s>"}});
  Json context = {{"bos_token", "mine"}};
  ModelTemplates::load(directory_).add_tokens(context);
  EXPECT_EQ(context["bos_token"], "mine");
}

TEST_F(ModelTemplate, RefusesBrokenFiles) {
  configure({{"chat_template", "{% if %}"}});
  EXPECT_THROW(ModelTemplates::load(directory_), Error);
  configure({{"chat_template", Json::array({{{"name", 1}}})}});
  EXPECT_THROW(ModelTemplates::load(directory_), Error);
  write("tokenizer_config.json", "{");
  EXPECT_THROW(ModelTemplates::load(directory_), Error);
}

}  // namespace
}  // namespace octavo
