#pragma once

#include <filesystem>
#include <optional>
#include <vector>

#include "octavo/tokens.h"

namespace octavo::cli {

// What a model's authors wrote into generation_config.json; all of it may be absent.
struct GenerationConfig {
  std::vector<TokenId> eos;  // config.json's where generation_config.json has none
  std::optional<double> temperature, top_p, min_p, repetition_penalty;
  std::optional<int64_t> top_k;
};

// Throws Error naming file and key for values of the wrong kind. `vocab` bounds the token ids.
GenerationConfig read_generation_config(const std::filesystem::path& directory, int64_t vocab);

}  // namespace octavo::cli
