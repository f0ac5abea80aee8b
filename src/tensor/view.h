#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <type_traits>

#include "base/check.h"

namespace octavo {

// Borrowed elements with extents and strides, both in elements. The last stride is 1: kernels read
// rows.
template <class T, int Rank>
struct View {
  T* data = nullptr;
  std::array<int64_t, Rank> extent{};
  std::array<int64_t, Rank> stride{};

  View() = default;
  View(T* d, std::array<int64_t, Rank> extents, std::array<int64_t, Rank> strides)
      : data(d), extent(extents), stride(strides) {}
  // Dense, row by row.
  View(T* d, std::array<int64_t, Rank> extents) : data(d), extent(extents) {
    int64_t step = 1;
    for (int i = Rank - 1; i >= 0; --i) {
      stride[i] = step;
      step *= extent[i];
    }
  }
  operator View<const T, Rank>() const  // NOLINT: a view of const is what a reader takes
      requires(!std::is_const_v<T>) {
    return {data, extent, stride};
  }

  int64_t rows() const { return extent[0]; }
  int64_t cols() const { return extent[Rank - 1]; }

  T* at(int64_t i) const {
    OCTAVO_DCHECK(i >= 0 && i < extent[0]);
    return data + i * stride[0];
  }
  T* at(int64_t i, int64_t j) const requires(Rank >= 2) {
    OCTAVO_DCHECK(i >= 0 && i < extent[0] && j >= 0 && j < extent[1]);
    return data + i * stride[0] + j * stride[1];
  }
  std::span<T> row(int64_t i) const requires(Rank == 2) {
    return {at(i), static_cast<size_t>(extent[1])};
  }
  // Rows [begin, end) of the first axis.
  View slice(int64_t begin, int64_t end) const {
    OCTAVO_DCHECK(begin >= 0 && begin <= end && end <= extent[0]);
    View part = *this;
    part.data += begin * stride[0];
    part.extent[0] = end - begin;
    return part;
  }
};

using Mat = View<float, 2>;  // [n tokens, features]
using ConstMat = View<const float, 2>;
using Heads = View<float, 3>;  // [n tokens, heads, head_dim]
using ConstHeads = View<const float, 3>;
using Vec = std::span<const float>;

// Columns [begin, begin + heads·dim) of a matrix seen as heads.
inline Heads as_heads(Mat x, int64_t begin, int64_t heads, int64_t dim) {
  OCTAVO_DCHECK(begin + heads * dim <= x.cols());
  return {x.data + begin, {x.rows(), heads, dim}, {x.stride[0], dim, 1}};
}
inline Heads as_heads(Mat x, int64_t heads, int64_t dim) { return as_heads(x, 0, heads, dim); }

}  // namespace octavo
