#include <bit>
#include <cmath>

#include "ops/int8.h"
#include "ops/reference/reference.h"

// Compute::int8 as ops/int8.h says it.
namespace octavo::reference {
namespace {

// One unit of one row of x.
struct Unit {
  float scale = 0;
  int32_t sum = 0;  // Σ a
};

// Codes of one output row as integers whose zero is taken off, and the floats of its groups.
struct IntegerRow {
  int32_t* values;         // [in]
  float *scales, *minima;  // [groups]
};

int64_t group_begin(const Weight& w, int64_t group) { return group * w.format.group_size; }
int64_t group_end(const Weight& w, int64_t group) {
  return std::min(w.in, (group + 1) * w.format.group_size);
}

void read_affine(const Weight& w, int64_t row, const IntegerRow& to) {
  const std::byte* const codes = w.data.data() + row * ((w.in * w.format.bits + 7) / 8);
  for (int64_t g = 0; g < w.groups(); ++g) {
    const int zero = std::to_integer<int>(w.zeros[row * w.groups() + g]);
    to.scales[g] = group_scale(w, row, g);
    to.minima[g] = 0;
    for (int64_t k = group_begin(w, g); k < group_end(w, g); ++k) {
      int code = 0;
      for (int b = 0; b < w.format.bits; ++b) {
        const int64_t bit = k * w.format.bits + b;
        code |= (std::to_integer<int>(codes[bit / 8]) >> (bit % 8) & 1) << b;
      }
      to.values[k] = code - zero;
    }
  }
}

void read_blocks(const Weight& w, int64_t row, const IntegerRow& to) {
  const BlockTraits& t = traits(w.format.block);
  const std::byte* block = w.data.data() + plane_bytes(w.format, row, w.in).data;
  BlockParts parts;
  for (int64_t k = 0; k < w.in; ++k) {
    const int at = static_cast<int>(k % t.elements);
    if (at == 0) {
      split_block(w.format.block, block, parts);
      block += t.bytes;
    }
    const int code = parts.codes[at];
    to.values[k] = t.table != nullptr ? t.table[code] : code - t.zero;
    if (k % t.group != 0) continue;
    to.scales[k / t.group] = parts.group_scale(t, at / t.group);
    to.minima[k / t.group] = t.minimum ? parts.group_minimum(t, at / t.group) : 0;
  }
}

// One row of x as integers in the order of the weight's codes.
void round_row(const Weight& w, const float* x, int8_t* a, Unit* units) {
  for (int64_t g = 0; g < w.groups(); ++g) {
    for (int64_t begin = group_begin(w, g); begin < group_end(w, g); begin += kInt8Unit, ++units) {
      const int64_t end = std::min(group_end(w, g), begin + kInt8Unit);
      const auto value = [&](int64_t k) { return x[w.format.ordered ? w.order[k] : k]; };
      uint32_t largest = 0;
      for (int64_t k = begin; k < end; ++k)
        largest = std::max(largest, std::bit_cast<uint32_t>(value(k)) & 0x7FFFFFFFu);
      const Int8Rounding rounding = int8_rounding(largest);
      units->scale = rounding.scale;
      units->sum = 0;
      for (int64_t k = begin; k < end; ++k) {
        const bool counts = rounding.inverse != 0;
        a[k] = static_cast<int8_t>(counts ? std::lrint(value(k) * rounding.inverse) : 0);
        units->sum += a[k];
      }
    }
  }
}

float product(const Weight& w, const IntegerRow& row, const int8_t* a, const Unit* units) {
  float total = 0;
  for (int64_t g = 0; g < w.groups(); ++g) {
    for (int64_t begin = group_begin(w, g); begin < group_end(w, g); begin += kInt8Unit, ++units) {
      const int64_t end = std::min(group_end(w, g), begin + kInt8Unit);
      int32_t sum = 0;
      for (int64_t k = begin; k < end; ++k) sum += row.values[k] * a[k];
      total = std::fma(units->scale * static_cast<float>(sum), row.scales[g], total);
      if (w.format.scheme == Scheme::block && traits(w.format.block).minimum)
        total = std::fma(-(units->scale * static_cast<float>(units->sum)), row.minima[g], total);
    }
  }
  return total;
}

int64_t padded(int64_t bytes) { return (bytes + 63) / 64 * 64; }

}  // namespace

void matmul_int8(Queue& queue, const Matmul& m) noexcept {
  const Weight& w = *m.w;
  const int64_t n = m.x.rows();
  const int64_t units_of_row = w.groups() * int8_units_of_group(w.format.group_size);
  const int64_t unit_bytes = padded(n * units_of_row * static_cast<int64_t>(sizeof(Unit)));
  std::byte* const scratch = queue.scratch(unit_bytes + n * w.in);
  auto* const units = reinterpret_cast<Unit*>(scratch);
  auto* const a = reinterpret_cast<int8_t*>(scratch + unit_bytes);
  for (int64_t i = 0; i < n; ++i) round_row(w, m.x.at(i), a + i * w.in, units + i * units_of_row);
  queue.pool().split(w.out, 1, [&](int64_t begin, int64_t end, int worker) {
    const int64_t floats = padded(w.groups() * 4);
    std::byte* const own = queue.worker_scratch(worker, w.in * 4 + 2 * floats + 64);
    auto* const scales = reinterpret_cast<float*>(own);
    auto* const minima = reinterpret_cast<float*>(own + floats);
    const IntegerRow row{reinterpret_cast<int32_t*>(own + 2 * floats), scales, minima};
    for (int64_t o = begin; o < end; ++o) {
      w.format.scheme == Scheme::block ? read_blocks(w, o, row) : read_affine(w, o, row);
      for (int64_t i = 0; i < n; ++i) {
        float sum = product(w, row, a + i * w.in, units + i * units_of_row);
        if (!m.bias.empty()) sum += m.bias[o];
        float& y = *m.y.at(i, o);
        y = m.into == Into::add ? y + sum : sum;
      }
    }
  });
}

}  // namespace octavo::reference
