#include "text/tokenizer/scripts.h"

#include <algorithm>

namespace octavo::unicode {

uint16_t script_of(char32_t c) {
  const auto* const behind =
      std::upper_bound(kScripts, kScripts + kScriptCount, c,
                       [](char32_t code, const ScriptRange& range) { return code < range.first; });
  return (behind - 1)->script;
}

}  // namespace octavo::unicode
