#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "text/tokenizer/document.h"

namespace octavo::tokenizer {

// The character map of a sentencepiece model, compiled by its trainer: a double-array trie (Aoe,
// 1989) from byte strings to replacements.
class Charsmap {
 public:
  // The base64 text at `place`. Throws Error when it is not such a map.
  explicit Charsmap(const Field& place);

  // `text` with every mapped character replaced. REQUIRES: valid UTF-8.
  std::string apply(std::string_view text) const;

 private:
  std::optional<std::string_view> replacement(std::string_view chunk) const;

  std::vector<uint32_t> trie_;
  std::string texts_;  // separated by NUL
};

}  // namespace octavo::tokenizer
