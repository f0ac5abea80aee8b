#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "quant/gptq.h"

namespace octavo::quant {

// In which order GPTQ rounds the columns of a matrix, and which group's grid each takes.
struct GptqOrder {
  std::vector<int32_t> columns;  // [in] the column at each position
  std::vector<int32_t> groups;   // [in] its group
  int64_t group_size = 0, group_count = 0;
  // Grids are those of the weights before any rounding. Otherwise a group's columns follow each
  // other and its grid is fitted when the first of them is reached.
  bool fixed_grids = false;

  int64_t in() const { return static_cast<int64_t>(columns.size()); }
  bool moves() const;  // whether the order is not that of the columns
  // Where the columns of position i's group end if all of them stand together from i on, else i.
  int64_t end_of_group(int64_t i) const;
};

// diagonal: of H [in].
//   desc_act       by falling diagonal; groups are cut in that order, or, static, in the columns'
//   group_aware    the same inside each group, the groups by their largest; the tail group last
GptqOrder gptq_order(std::span<const float> diagonal, const GptqOptions& options);

// Where blocks of up to `length` positions begin, and the end. A group whose columns stand together
// either lies within a block or begins with one.
std::vector<int64_t> block_bounds(const GptqOrder& order, int64_t length);

}  // namespace octavo::quant
