#pragma once

#include <cstdint>
#include <span>

namespace octavo::jinja {

struct CodeRange {
  uint32_t first, last;
};
// Characters first, first + stride, ..., last map to themselves + delta.
struct CaseRange {
  uint32_t first, last;
  int32_t delta;
  uint32_t stride;
};
struct CaseSpecial {
  uint32_t from;
  uint32_t to[3];  // ended by 0
};

std::span<const CodeRange> alpha_ranges();
std::span<const CodeRange> decimal_ranges();
std::span<const CodeRange> numeric_ranges();
std::span<const CodeRange> unprintable_ranges();
std::span<const CodeRange> upper_ranges();
std::span<const CodeRange> lower_ranges();
std::span<const CaseRange> to_upper_ranges();
std::span<const CaseRange> to_lower_ranges();
std::span<const CaseSpecial> to_upper_specials();
std::span<const CaseSpecial> to_lower_specials();

}  // namespace octavo::jinja
