#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "io/quantized_layout.h"
#include "tensor/quantized.h"

// What the layouts write of a matrix's groups.
namespace octavo {

template <class T>
std::vector<std::byte> to_bytes(const std::vector<T>& values) {
  const auto bytes = std::as_bytes(std::span(values));
  return {bytes.begin(), bytes.end()};
}

// Elements of the layout's scale_dtype.
std::vector<std::byte> scale_bytes(std::span<const float> scales, const MatrixLayout& layout);
// [groups, out]; `rows` of them where that is more (the rest 0).
std::vector<std::byte> scales_by_group(const QuantizedMatrix& matrix, const MatrixLayout& layout,
                                       int64_t rows = 0);
// [in] i32
std::vector<std::byte> group_index_bytes(const QuantizedMatrix& matrix);

}  // namespace octavo
