#include "text/template/model_template.h"

#include "base/file.h"
#include "base/json.h"
#include "octavo/error.h"

namespace octavo {
namespace {

constexpr uint64_t kMaxConfigBytes = uint64_t{64} << 20;
constexpr const char* kTokens[] = {"bos_token", "eos_token", "unk_token", "sep_token",
                                   "pad_token", "cls_token", "mask_token"};

// A token is written as its text or as an object with the text in "content".
std::optional<std::string> token_text(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_object() && value.contains("content") && value["content"].is_string()) {
    return value["content"].get<std::string>();
  }
  return std::nullopt;
}

void add_named(std::map<std::string, ChatTemplate>& templates, const Json& list,
               const std::string& where) {
  for (const Json& entry : list) {
    const bool well_formed = entry.is_object() && entry.contains("name") &&
                             entry["name"].is_string() && entry.contains("template") &&
                             entry["template"].is_string();
    if (!well_formed) {
      throw Error("chat_template holds an entry without name and template", where,
                  "write each entry as {\"name\": ..., \"template\": ...}");
    }
    const std::string name = entry["name"].get<std::string>();
    templates.insert_or_assign(
        name, ChatTemplate::compile(entry["template"].get<std::string>(), where + ":" + name));
  }
}

}  // namespace

ModelTemplates ModelTemplates::load(const std::filesystem::path& directory) {
  ModelTemplates result;
  const auto config_path = directory / "tokenizer_config.json";
  Json config = Json::object();
  if (std::filesystem::exists(config_path)) {
    config = parse_json(read_file(config_path, kMaxConfigBytes), config_path.string(),
                        {.max_keys = size_t{1} << 20});
  }
  if (!config.is_object()) config = Json::object();
  result.read_tokens(config);
  const auto file = directory / "chat_template.jinja";
  if (std::filesystem::exists(file)) {
    result.templates_.emplace(
        "default", ChatTemplate::compile(read_file(file, kMaxConfigBytes), file.string()));
  } else {
    result.read_templates(config, config_path.string());
  }
  return result;
}

ModelTemplates ModelTemplates::from_config(std::string_view text, const std::string& where) {
  ModelTemplates result;
  const Json config = parse_json(text, where, {.max_keys = size_t{1} << 20});
  if (!config.is_object()) return result;
  result.read_tokens(config);
  result.read_templates(config, where);
  return result;
}

void ModelTemplates::read_tokens(const Json& config) {
  for (const char* name : kTokens) {
    if (!config.contains(name)) continue;
    if (const auto text = token_text(config[name])) tokens_[name] = *text;
  }
}

void ModelTemplates::read_templates(const Json& config, const std::string& where) {
  if (!config.contains("chat_template")) return;
  const Json& value = config["chat_template"];
  if (value.is_string()) {
    templates_.emplace("default", ChatTemplate::compile(value.get<std::string>(), where));
  } else if (value.is_array()) {
    add_named(templates_, value, where);
  }
}

const ChatTemplate* ModelTemplates::pick(bool with_tools) const {
  const auto find = [&](const char* name) {
    const auto it = templates_.find(name);
    return it == templates_.end() ? nullptr : &it->second;
  };
  const ChatTemplate* tool_use = with_tools ? find("tool_use") : nullptr;
  if (tool_use) return tool_use;
  if (const ChatTemplate* usual = find("default")) return usual;
  return templates_.size() == 1 ? &templates_.begin()->second : nullptr;
}

void ModelTemplates::add_tokens(Json& context) const {
  for (const auto& [name, text] : tokens_) {
    if (!context.contains(name)) context[name] = text;
  }
}

}  // namespace octavo
