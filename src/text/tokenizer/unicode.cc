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

bool is_inert(char32_t c) {
  if (c < 0x300) return false;
  if (c == 0x11935 || (c >= 0x1E030 && c <= 0x1E06D)) return true;
  for (size_t i = 0; i < kRecentCount && kRecent[i].first <= c; ++i) {
    if (c <= kRecent[i].second) return true;
  }
  return std::binary_search(kInert, kInert + kInertCount, c);
}

}  // namespace octavo::unicode
