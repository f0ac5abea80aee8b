#include "text/tokenizer/merges.h"

#include <algorithm>
#include <bit>

namespace octavo::tokenizer {

void MergeTable::reserve(size_t count) {
  slots_.assign(std::bit_ceil(std::max<size_t>(16, count * 2)), Slot{});
}

}  // namespace octavo::tokenizer
