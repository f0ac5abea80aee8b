#include "text/template/model_template.h"

#include "base/file.h"
#include "base/json.h"
#include "octavo/error.h"

namespace octavo {
namespace {

constexpr uint64_t kMaxConfigBytes = uint64_t{64} << 20;
constexpr size_t kMaxTemplates = 64;
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

using Templates = std::map<std::string, ChatTemplate>;

// An empty object when there is no such file.
Json read_object(const std::filesystem::path& file) {
  if (!std::filesystem::exists(file)) return Json::object();
  Json value =
      parse_json(read_file(file, kMaxConfigBytes), file.string(), {.max_keys = size_t{1} << 20});
  return value.is_object() ? value : Json::object();
}

void add_named(Templates& templates, const Json& list, const std::string& where) {
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

// "chat_template" of `config`: a text or a list of {name, template}.
void add_configured(Templates& templates, const Json& config, const std::string& where) {
  const auto found = config.find("chat_template");
  if (found == config.end()) return;
  if (found->is_string()) {
    templates.insert_or_assign("default", ChatTemplate::compile(found->get<std::string>(), where));
  } else if (found->is_array()) {
    add_named(templates, *found, where);
  }
}

void add_file(Templates& templates, const std::string& name, const std::filesystem::path& file) {
  templates.insert_or_assign(
      name, ChatTemplate::compile(read_file(file, kMaxConfigBytes), file.string()));
}

}  // namespace

ModelTemplates ModelTemplates::load(const std::filesystem::path& directory) {
  ModelTemplates result;
  const auto config_file = directory / "tokenizer_config.json";
  for (const auto& file : {directory / "special_tokens_map.json", config_file}) {
    const Json config = read_object(file);
    result.read_tokens(config);
    if (file == config_file) add_configured(result.templates_, config, file.string());
  }
  const auto processor_file = directory / "chat_template.json";
  add_configured(result.templates_, read_object(processor_file), processor_file.string());
  const auto file = directory / "chat_template.jinja";
  if (std::filesystem::exists(file)) add_file(result.templates_, "default", file);
  const auto folder = directory / "additional_chat_templates";
  if (!std::filesystem::is_directory(folder)) return result;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() != ".jinja" || !entry.is_regular_file()) continue;
    if (result.templates_.size() >= kMaxTemplates) {
      throw Error("more than 64 chat templates", folder.string(), "remove those not in use");
    }
    add_file(result.templates_, entry.path().stem().string(), entry.path());
  }
  return result;
}

ModelTemplates ModelTemplates::from_config(std::string_view text, const std::string& where) {
  ModelTemplates result;
  const Json config = parse_json(text, where, {.max_keys = size_t{1} << 20});
  if (!config.is_object()) return result;
  result.read_tokens(config);
  add_configured(result.templates_, config, where);
  return result;
}

void ModelTemplates::read_tokens(const Json& config) {
  for (const char* name : kTokens) {
    if (!config.contains(name)) continue;
    if (const auto text = token_text(config[name])) tokens_[name] = *text;
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
