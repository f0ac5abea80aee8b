#pragma once

#include <string>
#include <string_view>

#include "text/tokenizer/document.h"

namespace octavo::tokenizer {

// A regular expression as tokenizer files write it (Oniguruma, Ruby syntax) in the syntax of PCRE2
// with the same meaning: `^` and `$` are per line, `\h` is a hexadecimal digit, properties know the
// characters of newer Unicode, `[a&&b]` is an intersection. `place` names it in the Error thrown
// for what has no counterpart.
std::string to_pcre(std::string_view pattern, const Field& place);

}  // namespace octavo::tokenizer
