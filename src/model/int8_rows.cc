#include "model/int8_rows.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/half.h"
#include "tensor/convert.h"

namespace octavo {
namespace {

constexpr int64_t kGroup = 128;
constexpr std::byte kZero{128};

}  // namespace

Format int8_rows_format(int64_t in) {
  return {.scheme = Scheme::affine,
          .dtype = DType::bf16,
          .bits = 8,
          .group_size = std::min(in, kGroup)};
}

const Weight& Int8Rows::round(const Weight& dense) {
  const int64_t in = dense.in, groups = (in + kGroup - 1) / kGroup;
  codes_.resize(static_cast<size_t>(dense.out * in));
  scales_.resize(static_cast<size_t>(dense.out * groups * 2));
  zeros_.assign(static_cast<size_t>(dense.out * groups), kZero);
  row_.resize(static_cast<size_t>(in));
  const size_t row_bytes = plane_bytes(dense.format, 1, in).data;
  for (int64_t o = 0; o < dense.out; ++o) {
    to_floats(dense.format.dtype, dense.data.subspan(static_cast<size_t>(o) * row_bytes, row_bytes),
              row_);
    for (int64_t g = 0; g < groups; ++g) {
      const std::span<const float> group = std::span(row_).subspan(
          static_cast<size_t>(g * kGroup), static_cast<size_t>(std::min(kGroup, in - g * kGroup)));
      float largest = 0;
      for (float v : group) largest = std::max(largest, std::abs(v));
      // The codes belong to the scale as it is stored.
      const BFloat16 stored = to_bfloat16(largest / 127);
      const float scale = to_float(stored);
      std::memcpy(scales_.data() + (o * groups + g) * 2, &stored, 2);
      const float inverse = std::isnormal(scale) ? 1 / scale : 0;
      std::byte* const codes = codes_.data() + o * in + g * kGroup;
      for (size_t k = 0; k < group.size(); ++k) {
        const float multiple = std::nearbyint(group[k] * inverse);
        const int code =
            std::isfinite(multiple) ? std::clamp(static_cast<int>(multiple), -127, 127) : 0;
        codes[k] = static_cast<std::byte>(code + 128);
      }
    }
  }
  rounded_ = {.format = int8_rows_format(in),
              .out = dense.out,
              .in = in,
              .data = codes_,
              .scales = scales_,
              .zeros = zeros_,
              .order = {}};
  return rounded_;
}

}  // namespace octavo
