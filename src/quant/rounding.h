#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/thread_pool.h"
#include "io/quantized_layout.h"
#include "tensor/quantized.h"

namespace octavo::quant {

// How the groups of a matrix are rounded to nearest.
struct Rounding {
  int bits = 4;
  int64_t group_size = 128;  // in: one group a row
  bool symmetric = false;
  DType scale_dtype = DType::f16;
  int lowest_zero = 0;

  static Rounding of(const MatrixLayout& layout);
};

// The matrix [out, in] on the grids that span its groups. `limits` [out, groups], where not empty,
// are the magnitudes at which each group is clipped first. The same for any number of threads.
QuantizedMatrix round_to_nearest(ThreadPool& pool, std::span<const float> values, int64_t out,
                                 int64_t in, const Rounding& rounding,
                                 std::span<const float> limits = {});

// One row as it would read back after rounding, for searches: group by group, elements clipped at
// ±limit first.
void read_back(std::span<const float> row, const Rounding& rounding, float limit,
               std::span<float> result);

// Every row of a matrix [.., in], unclipped, as it would read back after rounding.
std::vector<float> read_back(ThreadPool& pool, std::span<const float> values, int64_t in,
                             const Rounding& rounding);

}  // namespace octavo::quant
