#pragma once

#include <string>
#include <string_view>

namespace octavo::tokenizer {

enum class NormalForm { nfc, nfd, nfkc, nfkd };

// Unicode normal form (UAX 15) of `text`. REQUIRES: valid UTF-8.
std::string normal_form(std::string_view text, NormalForm form);

}  // namespace octavo::tokenizer
