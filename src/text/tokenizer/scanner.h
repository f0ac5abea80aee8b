#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

namespace octavo::tokenizer {

// The patterns that most models use, matched by hand: several times faster than a regular
// expression. Each of them matches at every place of every text, so a text is cut without a rest.
enum class KnownPattern {
  gpt2,    // of ByteLevel with use_regex
  cl100k,  // numbers in threes (Llama 3)
  qwen,    // numbers one by one
  o200k,   // words cut at a change of case
};

std::optional<KnownPattern> known_pattern(std::string_view regex);

// Where the piece that begins at `at` ends. REQUIRES: at < text.size(); valid UTF-8.
size_t piece_end(KnownPattern pattern, std::string_view text, size_t at);

}  // namespace octavo::tokenizer
