#pragma once

#include <vector>

#include "base/memory.h"
#include "tables.h"

namespace octavo::conformance {

struct WeightShape {
  Format format;
  int64_t out = 0, in = 0;
};

Format dense(DType dtype);
std::vector<BlockType> block_types();  // all of them
// group_size 0: one group a row.
Format affine(int bits, int64_t group_size, bool ordered = false, DType scales = DType::f16);

// Every format in shapes that cut badly.
std::vector<WeightShape> awkward_shapes();

// A random matrix in rows packing.
class WeightCase {
 public:
  WeightCase(const WeightShape& shape, uint32_t seed);

  const Weight& rows() const { return rows_; }
  // Σ |x| · |w| of an output, where a code counts with its zero before they cancel.
  double magnitude(std::span<const float> x, int64_t out) const;
  // Root of Σ (x · w)² in the same sense: what independent roundings of the factors add up to.
  double root_of_squares(std::span<const float> x, int64_t out) const;
  // Σ x · w
  double exact(std::span<const float> x, int64_t out) const;

 private:
  WeightCase(const WeightCase&) = delete;
  void fill_blocks(Random& random);
  // Of element (row, k) of a block format, its parts counted before they cancel.
  float block_magnitude(int64_t row, int64_t k) const;

  std::vector<std::byte> data_, scales_, zeros_;
  std::vector<int32_t> order_;
  Weight rows_;
  std::vector<float> values_, magnitudes_;  // [out, in], inputs in their own order
};

// The matrix as a table keeps it.
class PackedWeight {
 public:
  PackedWeight(const Ops& ops, const Weight& rows, Compute compute);
  const Weight& weight() const { return weight_; }

 private:
  PackedWeight(const PackedWeight&) = delete;

  HugeBuffer data_, scales_, zeros_;
  Weight weight_;
};

}  // namespace octavo::conformance
