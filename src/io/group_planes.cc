#include "io/group_planes.h"

#include <algorithm>

#include "tensor/convert.h"

namespace octavo {

std::vector<std::byte> scale_bytes(std::span<const float> scales, const MatrixLayout& layout) {
  std::vector<std::byte> bytes(scales.size() * static_cast<size_t>(size_bytes(layout.scale_dtype)));
  from_floats(layout.scale_dtype, scales, bytes);
  return bytes;
}

std::vector<std::byte> scales_by_group(const QuantizedMatrix& matrix, const MatrixLayout& layout,
                                       int64_t rows) {
  const int64_t groups = layout.groups(), out = layout.out;
  std::vector<float> turned(static_cast<size_t>(std::max(rows, groups) * out));
  for (int64_t o = 0; o < out; ++o) {
    for (int64_t g = 0; g < groups; ++g)
      turned[static_cast<size_t>(g * out + o)] = matrix.scales[static_cast<size_t>(o * groups + g)];
  }
  return scale_bytes(turned, layout);
}

std::vector<std::byte> group_index_bytes(const QuantizedMatrix& matrix) {
  std::vector<int32_t> index(static_cast<size_t>(matrix.in));
  for (int64_t k = 0; k < matrix.in; ++k)
    index[static_cast<size_t>(k)] = static_cast<int32_t>(matrix.group_of(k));
  return to_bytes(index);
}

}  // namespace octavo
