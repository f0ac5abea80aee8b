#pragma once

#include <span>

#include "octavo/request.h"

namespace octavo {

// Whether the output ends in `min_count` equal runs of some pattern of the sizes that are looked
// for. REQUIRES: rules that validate() accepts.
bool repeats(std::span<const TokenId> output, const RepetitionDetection& rules);

}  // namespace octavo
