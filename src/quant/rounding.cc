#include "quant/rounding.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "quant/layer_work.h"

namespace octavo::quant {
namespace {

constexpr int64_t kRowsATask = 16;

struct Range {
  float low, high;
};

// The least and the greatest value, with 0 between them; what is clipped counts as its limit. Eight
// lanes at once; minima and maxima do not depend on the order.
Range range_of(std::span<const float> group, float limit) {
  float low[8] = {}, high[8] = {};
  size_t i = 0;
  for (; i + 8 <= group.size(); i += 8) {
    for (size_t j = 0; j < 8; ++j) {
      const float v = group[i + j];
      low[j] = v < low[j] ? v : low[j];
      high[j] = v > high[j] ? v : high[j];
    }
  }
  for (; i < group.size(); ++i) {
    low[0] = std::min(low[0], group[i]);
    high[0] = std::max(high[0], group[i]);
  }
  for (int j = 1; j < 8; ++j) {
    low[0] = std::min(low[0], low[j]);
    high[0] = std::max(high[0], high[j]);
  }
  return {std::max(low[0], -limit), std::min(high[0], limit)};
}

struct Grid {
  float scale, zero;  // zero is whole
};

// The grid that spans the range. An empty range gets scale 1; so does one whose scale its type
// cannot hold.
Grid grid_of(const Range& range, const Rounding& r) {
  const auto last = static_cast<float>((1 << r.bits) - 1),
             middle = static_cast<float>(1 << (r.bits - 1));
  const float span = r.symmetric ? std::max(-range.low, range.high) / (middle - 1)
                                 : (range.high - range.low) / last;
  Grid grid{round_to(r.scale_dtype, span), middle};
  if (!(grid.scale > 0) || !std::isfinite(grid.scale)) grid.scale = 1;
  if (!r.symmetric) {
    grid.zero = std::clamp(std::nearbyint(-range.low / grid.scale),
                           static_cast<float>(r.lowest_zero), last);
  }
  return grid;
}

// round(w / scale) + zero within the codes. Adding and taking away 1.5 · 2^23 rounds to the nearest
// even whole number where |w / scale| is below 2^22, and in vectors.
inline float code_of(float w, float inverse, float zero, float last) {
  constexpr float kMagic = 12582912.0f;
  const float t = std::min(std::max(w * inverse, -4096.0f), 4096.0f);
  const float rounded = (t + kMagic) - kMagic;
  return std::min(std::max(rounded + zero, 0.0f), last);
}

}  // namespace

Rounding Rounding::of(const MatrixLayout& layout) {
  return {.bits = layout.settings.bits,
          .group_size = layout.group(),
          .symmetric = layout.settings.symmetric,
          .scale_dtype = layout.scale_dtype,
          .lowest_zero = octavo::lowest_zero(layout.settings.format)};
}

void read_back(std::span<const float> row, const Rounding& r, float limit,
               std::span<float> result) {
  const auto last = static_cast<float>((1 << r.bits) - 1);
  const auto size = static_cast<size_t>(r.group_size);
  for (size_t first = 0; first < row.size(); first += size) {
    const auto group = row.subspan(first, std::min(size, row.size() - first));
    const Grid grid = grid_of(range_of(group, limit), r);
    const float inverse = 1 / grid.scale;
    float* const out = result.data() + first;
    for (size_t k = 0; k < group.size(); ++k)
      out[k] = (code_of(group[k], inverse, grid.zero, last) - grid.zero) * grid.scale;
  }
}

std::vector<float> read_back(ThreadPool& pool, std::span<const float> values, int64_t in,
                             const Rounding& rounding) {
  std::vector<float> read(values.size());
  const auto width = static_cast<size_t>(in);
  pool.each(static_cast<int64_t>(values.size() / width), [&](int64_t row, int) {
    const size_t at = static_cast<size_t>(row) * width;
    read_back(values.subspan(at, width), rounding, std::numeric_limits<float>::infinity(),
              std::span(read).subspan(at, width));
  });
  return read;
}

QuantizedMatrix round_to_nearest(ThreadPool& pool, std::span<const float> values, int64_t out,
                                 int64_t in, const Rounding& r, std::span<const float> limits) {
  QuantizedMatrix matrix{.out = out,
                         .in = in,
                         .bits = r.bits,
                         .group_size = r.group_size,
                         .symmetric = r.symmetric,
                         .scale_dtype = r.scale_dtype};
  const int64_t groups = matrix.groups();
  matrix.codes.resize(static_cast<size_t>(out * in));
  matrix.scales.resize(static_cast<size_t>(out * groups));
  matrix.zeros.resize(static_cast<size_t>(out * groups));
  const auto last = static_cast<float>((1 << r.bits) - 1);
  pool.each((out + kRowsATask - 1) / kRowsATask, [&](int64_t task, int) {
    const int64_t end = std::min(out, (task + 1) * kRowsATask);
    for (int64_t g = task * kRowsATask * groups; g < end * groups; ++g) {
      const int64_t first = g / groups * in + g % groups * r.group_size;
      const int64_t count = std::min(r.group_size, in - g % groups * r.group_size);
      const auto group = values.subspan(static_cast<size_t>(first), static_cast<size_t>(count));
      const float limit =
          limits.empty() ? std::numeric_limits<float>::infinity() : limits[static_cast<size_t>(g)];
      const Grid grid = grid_of(range_of(group, limit), r);
      matrix.scales[static_cast<size_t>(g)] = grid.scale;
      matrix.zeros[static_cast<size_t>(g)] = static_cast<uint8_t>(grid.zero);
      uint8_t* const codes = matrix.codes.data() + first;
      const float inverse = 1 / grid.scale;
      for (int64_t k = 0; k < count; ++k) {
        codes[k] =
            static_cast<uint8_t>(code_of(group[static_cast<size_t>(k)], inverse, grid.zero, last));
      }
    }
  });
  return matrix;
}

}  // namespace octavo::quant
