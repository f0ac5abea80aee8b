#include "weight_case.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <numeric>

#include "base/half.h"

namespace octavo::conformance {
namespace {

void append(std::vector<std::byte>& plane, DType type, float value) {
  const auto put = [&plane](auto v) {
    const size_t at = plane.size();
    plane.resize(at + sizeof(v));
    std::memcpy(plane.data() + at, &v, sizeof(v));
  };
  if (type == DType::f32) put(value);
  if (type == DType::bf16) put(to_bfloat16(value));
  if (type == DType::f16) put(to_float16(value));
}

// Where a block keeps its 16-bit scales; -1: none.
std::array<int, 2> scale_places(BlockType type) {
  switch (type) {
    case BlockType::q4_1:
    case BlockType::q5_1:
    case BlockType::q4_k:
    case BlockType::q5_k:
      return {0, 2};
    case BlockType::q2_k:
      return {80, 82};
    case BlockType::q3_k:
      return {108, -1};
    case BlockType::q6_k:
      return {208, -1};
    case BlockType::tq1_0:
      return {52, -1};
    case BlockType::tq2_0:
      return {64, -1};
    case BlockType::mxfp4:
      return {-1, -1};
    default:
      return {0, -1};
  }
}

}  // namespace

std::vector<BlockType> block_types() {
  std::vector<BlockType> all;
  for (int i = 1; i <= static_cast<int>(BlockType::mxfp4); ++i)
    all.push_back(static_cast<BlockType>(i));
  return all;
}

Format dense(DType dtype) { return {.dtype = dtype}; }
Format affine(int bits, int64_t group_size, bool ordered, DType scales) {
  return {.scheme = Scheme::affine,
          .dtype = scales,
          .bits = bits,
          .group_size = group_size,
          .ordered = ordered};
}

std::vector<WeightShape> awkward_shapes() {
  std::vector<WeightShape> all;
  for (DType dtype : {DType::f32, DType::bf16, DType::f16}) {
    for (int64_t out : {1, 15, 16, 17, 33, 64, 100}) all.push_back({dense(dtype), out, 48});
    for (int64_t in : {1, 15, 16, 17, 33, 4097}) all.push_back({dense(dtype), 70, in});
  }
  for (int bits : {2, 3, 4, 8}) {
    for (int64_t group : {32, 64, 128, 0}) {
      all.push_back({affine(bits, group), 70, 256});
      all.push_back({affine(bits, group, true), 130, 384});
    }
    all.push_back({affine(bits, 32, false, DType::f32), 17, 96});
    all.push_back({affine(bits, 64, false, DType::bf16), 64, 1024});
    all.push_back({affine(bits, 0), 33, 50});
    all.push_back({affine(bits, 16, true), 1, 80});
    all.push_back({affine(bits, 64, true), 70, 160});  // the last group is short
    all.push_back({affine(bits, 24, true), 65, 100});  // no kernel cuts these
  }
  for (BlockType type : block_types()) {
    all.push_back({block_format(type), 70, 512});
    all.push_back({block_format(type), 1, traits(type).elements});
    all.push_back({block_format(type), 129, 3 * traits(type).elements});
  }
  return all;
}

WeightCase::WeightCase(const WeightShape& shape, uint32_t seed) {
  Random random(seed);
  Format format = shape.format;
  const int64_t out = shape.out, in = shape.in;
  if (format.scheme == Scheme::dense) {
    for (int64_t i = 0; i < out * in; ++i) append(data_, format.dtype, random.normal() * 0.1f);
  } else if (format.scheme == Scheme::block) {
    rows_ = {
        .format = format, .out = out, .in = in, .data = {}, .scales = {}, .zeros = {}, .order = {}};
    fill_blocks(random);
  } else {
    if (format.group_size == 0) format.group_size = in;
    const PlaneBytes bytes = plane_bytes(format, out, in);
    for (size_t i = 0; i < bytes.data; ++i) data_.push_back(std::byte(random.below(256)));
    for (size_t i = 0; i < bytes.zeros; ++i) {
      zeros_.push_back(std::byte(random.below(1 << format.bits)));
      append(scales_, format.dtype, 0.01f * (1 + std::abs(random.normal())));
    }
  }
  if (format.ordered) {
    order_.resize(in);
    std::iota(order_.begin(), order_.end(), 0);
    for (int64_t i = in - 1; i > 0; --i) std::swap(order_[i], order_[random.below(i + 1)]);
  }
  rows_ = {.format = format,
           .out = out,
           .in = in,
           .data = data_,
           .scales = scales_,
           .zeros = zeros_,
           .order = order_};
  values_.resize(out * in);
  magnitudes_.resize(out * in);
  for (int64_t o = 0; o < out; ++o) {
    for (int64_t k = 0; k < in; ++k) {
      const int64_t at = o * in + (format.ordered ? order_[k] : k);
      values_[at] = element(rows_, o, k);
      magnitudes_[at] = std::abs(values_[at]);
      if (format.scheme == Scheme::block) magnitudes_[at] = block_magnitude(o, k);
      if (format.scheme != Scheme::affine) continue;
      // |q| + zero = |q - zero| + 2 zero at most.
      const int64_t group = o * rows_.groups() + k / format.group_size;
      const float scale = element({.format = dense(format.dtype),
                                   .out = 1,
                                   .in = static_cast<int64_t>(zeros_.size()),
                                   .data = scales_,
                                   .scales = {},
                                   .zeros = {},
                                   .order = {}},
                                  0, group);
      magnitudes_[at] += 2 * scale * static_cast<float>(zeros_[group]);
    }
  }
}

void WeightCase::fill_blocks(Random& random) {
  const BlockTraits& t = traits(rows_.format.block);
  data_.resize(plane_bytes(rows_.format, rows_.out, rows_.in).data);
  for (std::byte& b : data_) b = std::byte(random.below(256));
  for (size_t block = 0; block < data_.size(); block += static_cast<size_t>(t.bytes)) {
    for (int place : scale_places(rows_.format.block)) {
      if (place < 0) continue;
      const Float16 scale = to_float16(0.001f * (1 + std::abs(random.normal())));
      std::memcpy(data_.data() + block + place, &scale, 2);
    }
    if (rows_.format.block == BlockType::mxfp4) data_[block] = std::byte(118 + random.below(4));
  }
}

float WeightCase::block_magnitude(int64_t row, int64_t k) const {
  const BlockTraits& t = traits(rows_.format.block);
  BlockParts parts;
  const int64_t block = row * (rows_.in / t.elements) + k / t.elements;
  split_block(rows_.format.block, rows_.data.data() + block * t.bytes, parts);
  const int at = static_cast<int>(k % t.elements), group = at / t.group, code = parts.codes[at];
  const int size = t.table != nullptr ? std::abs(t.table[code]) : code + t.zero;
  return std::abs(parts.group_scale(t, group)) * static_cast<float>(size) +
         std::abs(parts.group_minimum(t, group));
}

double WeightCase::magnitude(std::span<const float> x, int64_t out) const {
  double sum = 0;
  for (size_t k = 0; k < x.size(); ++k)
    sum += std::abs(double{x[k]}) * magnitudes_[out * rows_.in + static_cast<int64_t>(k)];
  return sum;
}

double WeightCase::root_of_squares(std::span<const float> x, int64_t out) const {
  double sum = 0;
  for (size_t k = 0; k < x.size(); ++k) {
    const double term = double{x[k]} * magnitudes_[out * rows_.in + static_cast<int64_t>(k)];
    sum += term * term;
  }
  return std::sqrt(sum);
}

double WeightCase::exact(std::span<const float> x, int64_t out) const {
  double sum = 0;
  for (size_t k = 0; k < x.size(); ++k)
    sum += double{x[k]} * values_[out * rows_.in + static_cast<int64_t>(k)];
  return sum;
}

PackedWeight::PackedWeight(const Ops& ops, const Weight& rows, Compute compute) {
  const Format format = ops.preferred(rows.format, rows.out, rows.in, compute);
  const PlaneBytes bytes = ops.planes(format, rows.out, rows.in);
  data_ = HugeBuffer(bytes.data);
  weight_ = {.format = format,
             .out = rows.out,
             .in = rows.in,
             .data = data_.span(),
             .scales = {},
             .zeros = {},
             .order = rows.order};
  if (bytes.scales > 0) weight_.scales = (scales_ = HugeBuffer(bytes.scales)).span();
  if (bytes.zeros > 0) weight_.zeros = (zeros_ = HugeBuffer(bytes.zeros)).span();
  // In pieces, as a loader does.
  for (int64_t first = 0; first < rows.out; first += 64) {
    const int64_t count = std::min<int64_t>(64, rows.out - first);
    const PlaneBytes before = plane_bytes(rows.format, first, rows.in);
    const PlaneBytes piece = plane_bytes(rows.format, count, rows.in);
    Weight part = rows;
    part.out = count;
    part.data = rows.data.subspan(before.data, piece.data);
    if (rows.format.scheme == Scheme::affine) {
      part.scales = rows.scales.subspan(before.scales, piece.scales);
      part.zeros = rows.zeros.subspan(before.zeros, piece.zeros);
    }
    ops.pack(part, first, weight_);
  }
}

}  // namespace octavo::conformance
