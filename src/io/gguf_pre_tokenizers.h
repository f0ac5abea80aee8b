#pragma once

#include <array>
#include <string_view>

namespace octavo {

// What one or more names of tokenizer.ggml.pre stand for, as parts of a tokenizer.json. GGUF writes
// the name alone.
struct GgufPreTokenizer {
  std::array<std::string_view, 8> names;  // unused ones are empty
  std::string_view steps;                 // the pretokenizers, comma-separated, byte level last
  std::string_view normalizer = "null";
  bool ignore_merges = false;
  bool begins = false;  // texts begin with BOS unless the file says otherwise
};

// Null where the name is not known.
const GgufPreTokenizer* find_pre_tokenizer(std::string_view name);

}  // namespace octavo
