#include "cli/generation_config.h"

#include <string>

#include "base/json.h"
#include "model/source.h"

namespace octavo::cli {
namespace {

namespace fs = std::filesystem;

std::vector<TokenId> read_eos(const Config& config, int64_t vocab) {
  if (!config.has("eos_token_id")) return {};
  const Json& value = config.json()["eos_token_id"];
  std::vector<TokenId> ids;
  for (const Json& id : value.is_array() ? value : Json::array({value})) {
    if (!id.is_number_integer() || id < 0 || id >= vocab)
      config.fail("eos_token_id", "token id " + to_line(id) + " is not in the vocabulary");
    ids.push_back(id.get<TokenId>());
  }
  return ids;
}

std::optional<double> read_number(const Config& config, const char* key) {
  return config.has(key) ? std::optional(config.number(key)) : std::nullopt;
}

}  // namespace

GenerationConfig read_generation_config(const fs::path& directory, int64_t vocab) {
  GenerationConfig found;
  const fs::path file = directory / "generation_config.json";
  if (fs::exists(file)) {
    const Config config = Config::read(file);
    found.eos = read_eos(config, vocab);
    // Without do_sample the numbers beside it are not meant.
    if (config.flag_or("do_sample", false)) {
      found.temperature = read_number(config, "temperature");
      found.top_p = read_number(config, "top_p");
      found.min_p = read_number(config, "min_p");
      if (config.has("top_k")) found.top_k = config.integer("top_k", -1, vocab);
    }
    found.repetition_penalty = read_number(config, "repetition_penalty");
  }
  if (found.eos.empty()) found.eos = read_eos(read_config(directory), vocab);
  return found;
}

}  // namespace octavo::cli
