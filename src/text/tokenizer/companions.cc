#include "text/tokenizer/companions.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <set>

#include "base/file.h"
#include "octavo/error.h"

namespace octavo::tokenizer {

namespace {

constexpr uint64_t kMaxFileBytes = uint64_t{32} << 20;
constexpr const char* kRoles[] = {"bos_token", "eos_token", "unk_token", "sep_token",
                                  "pad_token", "cls_token", "mask_token"};
constexpr const char* kRoleLists[] = {"additional_special_tokens", "extra_special_tokens"};
constexpr const char* kMend = "take the file again from where the model was published";

// An empty object when there is no such file.
Json read_object(const std::filesystem::path& file, bool& any) {
  if (!std::filesystem::exists(file)) return Json::object();
  Json value = parse_json(read_file(file, kMaxFileBytes), file.string(), kConfigLimits);
  if (!value.is_object()) throw Error("not a JSON object", file.string(), kMend);
  any = true;
  return value;
}

bool flag(const Json& object, const char* key, bool fallback) {
  const auto found = object.find(key);
  return found != object.end() && found->is_boolean() ? found->get<bool>() : fallback;
}

// A token is written as its text or as an object with the text in "content".
std::optional<AddedToken> token_of(const Json& value) {
  AddedToken token;
  token.special = true;
  if (value.is_string()) {
    token.content = value.get<std::string>();
  } else if (value.is_object() && value.contains("content") && value["content"].is_string()) {
    token.content = value["content"].get<std::string>();
    token.special = flag(value, "special", true);
    token.left_strip = flag(value, "lstrip", false);
    token.right_strip = flag(value, "rstrip", false);
    token.single_word = flag(value, "single_word", false);
  }
  if (token.content.empty()) return std::nullopt;
  return token;
}

std::optional<TokenId> id_of(const Json& value) {
  const bool fits =
      value.is_number_integer() && value >= 0 && value < std::numeric_limits<TokenId>::max();
  return fits ? std::optional(value.get<TokenId>()) : std::nullopt;
}

}  // namespace

Companions Companions::read(const std::filesystem::path& dir, std::string usual_class) {
  Companions self;
  const auto config_file = dir / "tokenizer_config.json";
  self.config_ = read_object(config_file, self.any_);
  self.map_ = read_object(dir / "special_tokens_map.json", self.any_);
  const auto named = self.config_.find("tokenizer_class");
  if (named != self.config_.end() && named->is_string()) self.class_ = named->get<std::string>();
  if (self.class_.empty()) self.class_ = std::move(usual_class);
  if (self.class_.ends_with("Fast")) self.class_.resize(self.class_.size() - 4);
  self.read_decoder(config_file);
  self.read_ids(dir / "added_tokens.json");
  self.read_roles();
  return self;
}

bool Companions::flag_or(const char* key, bool fallback) const {
  return flag(config_, key, fallback);
}

std::string Companions::token(const char* role) const {
  for (const Json* file : {&config_, &map_}) {
    const auto found = file->find(role);
    if (found == file->end()) continue;
    if (const auto token = token_of(*found)) return token->content;
  }
  return "";
}

// "added_tokens_decoder": {"32000": {"content": ...}, ...}
void Companions::read_decoder(const std::filesystem::path& file) {
  const auto found = config_.find("added_tokens_decoder");
  if (found == config_.end() || !found->is_object()) return;
  for (const auto& [key, value] : found->items()) {
    auto token = token_of(value);
    TokenId id = kNoToken;
    const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), id);
    const bool whole = error == std::errc() && end == key.data() + key.size() && id >= 0;
    if (!token || !whole) {
      throw Error("'" + key.substr(0, 64) + "' is not an id with a token",
                  file.string() + ": added_tokens_decoder", kMend);
    }
    token->id = id;
    token->special = flag(value, "special", false);
    added_.push_back(*std::move(token));
  }
}

// added_tokens.json: {"content": id, ...}
void Companions::read_ids(const std::filesystem::path& file) {
  const Json ids = read_object(file, any_);
  std::set<std::string> known;
  for (const AddedToken& token : added_) known.insert(token.content);
  for (const auto& [content, value] : ids.items()) {
    const auto id = id_of(value);
    if (!id) throw Error("'" + content.substr(0, 64) + "' has no id", file.string(), kMend);
    if (known.contains(content)) continue;
    AddedToken token;
    token.content = content;
    token.id = *id;
    added_.push_back(std::move(token));
  }
  // Files before added_tokens_decoder give tokens in any order; ids count up.
  std::stable_sort(added_.begin(), added_.end(),
                   [](const AddedToken& a, const AddedToken& b) { return a.id < b.id; });
}

void Companions::read_roles() {
  for (const Json* file : {&map_, &config_}) {
    for (const char* role : kRoles) {
      const auto found = file->find(role);
      if (found != file->end()) add_role(*found);
    }
    for (const char* list : kRoleLists) {
      const auto found = file->find(list);
      if (found == file->end() || !found->is_array()) continue;
      for (const Json& entry : *found) add_role(entry);
    }
  }
}

void Companions::add_role(const Json& value) {
  auto token = token_of(value);
  if (!token) return;
  token->special = true;
  const auto same = [&](const AddedToken& other) { return other.content == token->content; };
  const auto known = std::find_if(added_.begin(), added_.end(), same);
  if (known == added_.end()) {
    added_.push_back(*std::move(token));
  } else {
    known->special = true;
  }
}

}  // namespace octavo::tokenizer
