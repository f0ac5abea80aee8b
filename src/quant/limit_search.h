#pragma once

#include <span>
#include <vector>

#include "quant/observations.h"

namespace octavo::quant {

inline constexpr int kLimitSteps = 10;  // limits of 1 - i/20 of a group's largest weight

struct FoundLimits {
  std::vector<float> limits;     // [out, groups]; infinite: none
  std::vector<int64_t> clipped;  // groups by the step that won
};

// AWQ's search for the magnitude at which each group of weights is clipped, by what it changes in
// the group's share of the output: Δwᵀ (Σ x xᵀ) Δw over all calibration rows, of which the original
// takes some. Rows of q and k are left alone, as there: they act through the softmax. `values`: the
// matrix with all scales folded in; `input_divisors` [in]: what the observed inputs are divided by
// since, empty: nothing.
FoundLimits search_limits(LayerJob& job, const StoredMatrix& matrix, std::span<const float> values,
                          const Observed& observed, std::span<const float> input_divisors);

}  // namespace octavo::quant
