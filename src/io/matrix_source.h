#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "io/checkpoint.h"
#include "io/packed_matrix.h"
#include "io/quantization.h"
#include "tensor/weight.h"

namespace octavo {

// Which stored rows make up a matrix: row r is stored row first + r / run · stride + r % run. For
// fused tensors.
struct RowMap {
  int64_t first = 0;
  int64_t run = 0;  // 0: all rows in one run
  int64_t stride = 0;
};

// What a matrix must look like according to the spec.
struct MatrixShape {
  int64_t out = 0, in = 0;  // of the stored tensor
  bool transposed = false;  // stored [in, out] when dense
};

// A matrix on disk in whatever form the checkpoint keeps it, read by rows into the `rows` packing.
class MatrixSource {
 public:
  // The matrix NAME: NAME.weight, or the tensors of a quantized layout. Elements that no kernel
  // reads (f64, integers, 8-bit floats with or without scales) become f32 as they are read, codes
  // of 5 to 7 bits become codes of 8. Throws Error naming the tensor when it is missing or not of
  // `shape`.
  static MatrixSource open(const Checkpoint& checkpoint, const Quantization& quantization,
                           const std::string& name, const MatrixShape& shape);

  // Whether the checkpoint has the matrix NAME in any form.
  static bool present(const Checkpoint& checkpoint, const std::string& name);

  // As read() gives it.
  const Format& format() const { return format_; }
  DType stored() const { return data_->dtype; }
  // Names of the stored tensors that it reads.
  std::vector<std::string> tensors() const;
  const MatrixShape& shape() const { return shape_; }
  // Which input each code of a row belongs to where format() is ordered (Weight::order), else
  // empty.
  std::span<const int32_t> order() const {
    return order_ != nullptr ? std::span(*order_) : std::span<const int32_t>();
  }
  const PackedMatrix* packed() const { return packed_.get(); }  // null: not in codes

  // Planes of some rows, owned.
  struct Rows {
    std::vector<std::byte> data, scales, zeros;
    CodeRows codes;  // scratch
    Weight weight;   // over these planes
  };
  // Fewer rows than this at a time are read in small pieces; 1: any number is as good.
  int64_t least_rows() const;
  // Rows [begin, end) as `map` numbers them. May run in several threads with different `rows`.
  void read(const RowMap& map, int64_t begin, int64_t end, Rows& rows) const;
  // Stored rows [begin, end) as float [rows, in], inputs in their own order.
  void read_values(int64_t begin, int64_t end, std::vector<float>& values) const;
  void drop() const;  // its bytes will not be read again

 private:
  static MatrixSource open_blocks(MatrixSource source);  // the rest of open()
  static MatrixSource open_packed(MatrixSource source, const Quantization& quantization,
                                  const std::string& name);
  // Where rows go: one plane each.
  struct Planes {
    std::byte *data, *scales, *zeros;
  };
  void read_stored(int64_t begin, int64_t end, const Planes& planes, CodeRows& codes) const;
  void read_codes(int64_t begin, int64_t end, const Planes& planes, CodeRows& codes) const;
  void read_blocks(int64_t begin, int64_t end, std::byte* data, CodeRows& codes) const;
  void read_dense(int64_t begin, int64_t end, std::byte* data) const;
  void read_elements(int64_t begin, int64_t end, std::byte* data) const;

  const Checkpoint* checkpoint_ = nullptr;
  const TensorEntry* data_ = nullptr;
  std::shared_ptr<const ElementScales> element_scales_;  // null: none; shared by copies of this
  std::shared_ptr<const PackedMatrix> packed_;
  std::shared_ptr<const std::vector<int32_t>> order_;
  MatrixShape shape_;
  Format format_;
};

}  // namespace octavo
