#include "text/tokenizer/unicode.h"

#include <algorithm>

namespace octavo::unicode {

char32_t lowercase(char32_t c) {
  if (c < 0x80) return c >= 'A' && c <= 'Z' ? c + 32 : c;
  const CharPair* end = kLowercase + kLowercaseCount;
  const CharPair* found = std::lower_bound(
      kLowercase, end, c, [](const CharPair& p, char32_t v) { return p.first < v; });
  return found != end && found->first == c ? found->second : c;
}

bool is_undecomposed(char32_t c) {
  if (c >= 0x1E030 && c <= 0x1E06D) return true;  // Unicode 15
  return std::binary_search(kUndecomposed, kUndecomposed + kUndecomposedCount, c);
}

}  // namespace octavo::unicode
