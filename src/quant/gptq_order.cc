#include "quant/gptq_order.h"

#include <algorithm>
#include <numeric>

namespace octavo::quant {

bool GptqOrder::moves() const {
  for (size_t i = 0; i < columns.size(); ++i) {
    if (columns[i] != static_cast<int32_t>(i)) return true;
  }
  return false;
}

int64_t GptqOrder::end_of_group(int64_t i) const {
  const int32_t group = groups[i];
  int64_t end = i;
  while (end < in() && groups[end] == group) ++end;
  return end - i == std::min(group_size, in() - group * group_size) ? end : i;
}

GptqOrder gptq_order(std::span<const float> diagonal, const GptqOptions& options) {
  const auto in = static_cast<int64_t>(diagonal.size());
  const int64_t size = std::min(options.group_size, in);
  GptqOrder order{.columns = std::vector<int32_t>(in),
                  .groups = std::vector<int32_t>(in),
                  .group_size = size,
                  .group_count = (in + size - 1) / size,
                  .fixed_grids = options.static_groups || size == in};
  std::iota(order.columns.begin(), order.columns.end(), 0);
  const auto falling = [&](int32_t a, int32_t b) { return diagonal[a] > diagonal[b]; };
  if (options.desc_act) {
    std::stable_sort(order.columns.begin(), order.columns.end(), falling);
  } else if (options.group_aware) {
    std::vector<int32_t> largest(order.group_count);  // each group's column of the largest diagonal
    for (int64_t g = 0; g < order.group_count; ++g) {
      const auto begin = order.columns.begin() + g * size;
      std::stable_sort(begin, order.columns.begin() + std::min(in, (g + 1) * size), falling);
      largest[g] = *begin;
    }
    std::stable_sort(largest.begin(), largest.begin() + in / size, falling);
    const std::vector<int32_t> sorted = order.columns;
    auto to = order.columns.begin();
    for (const int32_t column : largest) {
      const int64_t g = column / size;
      to = std::copy(sorted.begin() + g * size, sorted.begin() + std::min(in, (g + 1) * size), to);
    }
  }
  const bool cut_in_order = options.desc_act && !options.static_groups;
  for (int64_t i = 0; i < in; ++i)
    order.groups[i] = static_cast<int32_t>((cut_in_order ? i : order.columns[i]) / size);
  return order;
}

std::vector<int64_t> block_bounds(const GptqOrder& order, int64_t length) {
  std::vector<int64_t> bounds{0};
  for (int64_t begin = 0; begin < order.in(); begin = bounds.back()) {
    int64_t end = std::min(begin + length, order.in());
    // The last place up to `end` where a group begins, if there is one.
    int64_t cut = end;
    while (cut < order.in() && cut > begin && order.groups[cut] == order.groups[cut - 1]) --cut;
    bounds.push_back(cut > begin ? cut : end);
  }
  return bounds;
}

}  // namespace octavo::quant
