#include "engine/repetition.h"

#include <algorithm>

namespace octavo {

bool repeats(std::span<const TokenId> output, const RepetitionDetection& rules) {
  const auto length = static_cast<int64_t>(output.size());
  for (int64_t size = std::max(1, rules.min_pattern_size); size <= rules.max_pattern_size; ++size) {
    const int64_t repeated = size * (rules.min_count - 1);
    if (repeated + size > length) return false;
    const auto later = output.last(repeated);
    const auto earlier = output.subspan(length - repeated - size, repeated);
    if (std::ranges::equal(later, earlier)) return true;
  }
  return false;
}

}  // namespace octavo
