#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "text/template/chat_template.h"

namespace octavo {

// The chat templates that a model directory brings, and the tokens that they print.
class ModelTemplates {
 public:
  // Reads "chat_template" of tokenizer_config.json (a text, or a list of {name, template}) and of
  // chat_template.json, chat_template.jinja, and additional_chat_templates/NAME.jinja; later ones
  // replace earlier ones of the same name. Throws Error for files that cannot be read as such.
  static ModelTemplates load(const std::filesystem::path& directory);
  // From the text of a tokenizer_config.json; `where` stands for the file in errors.
  static ModelTemplates from_config(std::string_view text, const std::string& where);

  // The template for a request: "tool_use" when tools are given and there is one, else "default",
  // else the only one. Null when the model has none.
  const ChatTemplate* pick(bool with_tools) const;
  // Adds bos_token, eos_token, ... as tokenizer_config.json or
  // special_tokens_map.json names them, where `context` has none.
  void add_tokens(Json& context) const;

 private:
  void read_tokens(const Json& config);

  std::map<std::string, ChatTemplate> templates_;
  std::map<std::string, std::string> tokens_;
};

}  // namespace octavo
