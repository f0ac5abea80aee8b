#include "quant/rtn.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/check.h"
#include "base/half.h"

namespace octavo::quant {
namespace {

float rounded(float value, DType dtype) {
  if (dtype == DType::bf16) return to_float(to_bfloat16(value));
  if (dtype == DType::f16) return to_float(to_float16(value));
  return value;
}

void store(float value, DType dtype, std::byte* out) {
  const uint16_t half = dtype == DType::bf16 ? to_bfloat16(value).bits : to_float16(value).bits;
  if (dtype == DType::f32) {
    std::memcpy(out, &value, 4);
  } else {
    std::memcpy(out, &half, 2);
  }
}

}  // namespace

Grid fit_grid(std::span<const float> group, int bits, bool symmetric, DType scale_dtype) {
  const auto [low_at, high_at] = std::minmax_element(group.begin(), group.end());
  const float low = std::min(0.0f, *low_at), high = std::max(0.0f, *high_at);
  const int last = (1 << bits) - 1, middle = 1 << (bits - 1);
  const float span = symmetric ? std::max(-low, high) / static_cast<float>(middle - 1)
                               : (high - low) / static_cast<float>(last);
  Grid grid{.scale = rounded(span, scale_dtype), .zero = middle};
  // A scale that rounds to 0 or infinity in its storage would lose the group; 1 keeps all-zero
  // groups exact.
  if (!(grid.scale > 0) || !std::isfinite(grid.scale)) grid.scale = 1;
  if (!symmetric)
    grid.zero = std::clamp(static_cast<int>(std::nearbyint(-low / grid.scale)), 0, last);
  return grid;
}

int code_of(float w, const Grid& grid, int bits) {
  return std::clamp(static_cast<int>(std::nearbyint(w / grid.scale)) + grid.zero, 0,
                    (1 << bits) - 1);
}

PackedRows round_rows(std::span<const float> rows, int64_t in, int bits, int64_t group_size,
                      bool symmetric, DType scale_dtype) {
  OCTAVO_CHECK(static_cast<int64_t>(rows.size()) % in == 0);
  const int64_t count = static_cast<int64_t>(rows.size()) / in,
                groups = (in + group_size - 1) / group_size;
  const int64_t row_bytes = (in * bits + 7) / 8, scale_bytes = size_bytes(scale_dtype);
  PackedRows out;
  out.data.resize(count * row_bytes + 1);  // a code may straddle the byte after the last
  out.scales.resize(count * groups * scale_bytes);
  out.zeros.resize(count * groups);
  for (int64_t g = 0; g < count * groups; ++g) {
    const int64_t first = g % groups * group_size, length = std::min(group_size, in - first);
    const auto group = rows.subspan(g / groups * in + first, length);
    const Grid grid = fit_grid(group, bits, symmetric, scale_dtype);
    store(grid.scale, scale_dtype, out.scales.data() + g * scale_bytes);
    out.zeros[g] = static_cast<uint8_t>(grid.zero);
    std::byte* row = out.data.data() + g / groups * row_bytes;
    for (int64_t k = 0; k < length; ++k) {
      const int code = code_of(group[k], grid, bits);
      const int64_t bit = (first + k) * bits;
      row[bit / 8] |= static_cast<std::byte>(code << (bit % 8));
      if (bit % 8 + bits > 8) row[bit / 8 + 1] |= static_cast<std::byte>(code >> (8 - bit % 8));
      const double error =
          static_cast<double>(group[k]) - static_cast<double>(code - grid.zero) * grid.scale;
      out.squared_error += error * error;
      out.squared_norm += static_cast<double>(group[k]) * group[k];
      out.largest_error = std::max(out.largest_error, std::abs(error));
    }
  }
  out.data.pop_back();
  return out;
}

}  // namespace octavo::quant
