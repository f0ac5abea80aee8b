#pragma once

#include <cstdint>
#include <vector>

#include "tensor/dtype.h"

namespace octavo {

// A quantized matrix [out, in] apart from any file's layout: what quantizers make, what writers of
// checkpoints pack and readers of them unpack. w(o, k) = (codes(o, k) - zeros(o, g)) · scales(o, g)
// with g = group_of(k).
struct QuantizedMatrix {
  int64_t out = 0, in = 0;
  int bits = 4;            // 2 to 8
  int64_t group_size = 0;  // inputs of a group, in where a row is one; the last may be shorter
  bool symmetric = false;  // every zero is 2^(bits-1)
  DType scale_dtype = DType::f16;
  std::vector<uint8_t> codes = {};  // [out, in], one a byte
  std::vector<float> scales = {};   // [out, groups], each exact in scale_dtype
  std::vector<uint8_t> zeros = {};  // [out, groups]
  // [in] the group of each input (act-order); empty: k / group_size.
  std::vector<int32_t> group_index = {};

  int64_t groups() const { return (in + group_size - 1) / group_size; }
  int64_t group_of(int64_t k) const {
    return group_index.empty() ? k / group_size : group_index[static_cast<size_t>(k)];
  }
  float value(int64_t o, int64_t k) const {
    const auto g = static_cast<size_t>(o * groups() + group_of(k));
    const int code = codes[static_cast<size_t>(o * in + k)];
    return static_cast<float>(code - zeros[g]) * scales[g];
  }
};

}  // namespace octavo
