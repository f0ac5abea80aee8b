#include "base/spelling.h"

#include <algorithm>
#include <vector>

namespace octavo {
namespace {

constexpr size_t kMaxLetters = 64;

// Insertions, deletions, exchanges and swaps of neighbours that turn `a` into `b` (optimal string
// alignment).
size_t distance(std::string_view a, std::string_view b) {
  std::vector<size_t> before(b.size() + 1), last(b.size() + 1), now(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    now[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const bool same = a[i - 1] == b[j - 1];
      now[j] = std::min({last[j] + 1, now[j - 1] + 1, last[j - 1] + (same ? 0 : 1)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        now[j] = std::min(now[j], before[j - 2] + 1);
    }
    std::swap(before, last);
    std::swap(last, now);
  }
  return last[b.size()];
}

}  // namespace

std::string_view closest_word(std::string_view text, std::span<const std::string_view> words) {
  if (text.empty() || text.size() > kMaxLetters) return {};
  std::string_view best;
  size_t least = std::max<size_t>(2, text.size() / 3) + 1;
  for (const std::string_view word : words) {
    const size_t changes = distance(text, word);
    if (changes >= least || changes >= word.size()) continue;
    least = changes;
    best = word;
  }
  return best;
}

std::string did_you_mean(std::string_view text, std::span<const std::string_view> words) {
  const std::string_view word = closest_word(text, words);
  return word.empty() ? "" : "did you mean \"" + std::string(word) + "\"? ";
}

}  // namespace octavo
