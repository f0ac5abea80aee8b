#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "text/tokenizer/added_tokens.h"

namespace octavo::tokenizer {

inline constexpr JsonLimits kConfigLimits{.max_keys = 1 << 16};

// The JSON files that lie beside a vocabulary: tokenizer_config.json, special_tokens_map.json and
// added_tokens.json. All are optional.
class Companions {
 public:
  // Throws Error for files that are not JSON objects. `usual_class`: where no file names a class.
  static Companions read(const std::filesystem::path& dir, std::string usual_class);

  // Whether any of the files is there.
  bool any() const { return any_; }
  const Json& config() const { return config_; }
  // "LlamaTokenizer" and the like, without "Fast"; as usual where no file
  // says.
  const std::string& tokenizer_class() const { return class_; }
  bool flag_or(const char* key, bool fallback) const;
  // The text of "bos_token" and the like; empty when absent.
  std::string token(const char* role) const;
  // The added tokens with their ids; kNoToken where no file gives one. Later ones count.
  const std::vector<AddedToken>& added() const { return added_; }

 private:
  void read_decoder(const std::filesystem::path& file);
  void read_ids(const std::filesystem::path& file);
  void read_roles();
  void add_role(const Json& value);

  bool any_ = false;
  Json config_, map_;
  std::string class_;
  std::vector<AddedToken> added_;
};

}  // namespace octavo::tokenizer
