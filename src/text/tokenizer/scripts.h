#pragma once

#include <cstddef>
#include <cstdint>

namespace octavo::unicode {

// From `first` to the next entry's.
struct ScriptRange {
  char32_t first;
  uint16_t script;  // 0: goes with every script
};

extern const ScriptRange kScripts[];  // sorted; begins with 0
extern const size_t kScriptCount;

// The number of a character's script as the UnicodeScripts pre-tokenizer tells scripts apart:
// Japanese kana count as Han.
uint16_t script_of(char32_t c);

}  // namespace octavo::unicode
