#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "io/checkpoint.h"
#include "io/quantized_layout.h"
#include "tensor/quantized.h"

namespace octavo {

class OnceLog;

// Some rows of a quantized matrix, inputs in their own order.
struct CodeRows {
  std::vector<uint8_t> codes;  // [rows, in]
  std::vector<float> scales;   // [rows, groups], exact in the layout's scale_dtype
  std::vector<uint8_t> zeros;  // [rows, groups]
  // [rows, groups] where the file keeps offsets instead of zeros (AWQ's gemv_fast): a weight is
  // code · scale + offset and `zeros` the nearest whole ones. Else empty.
  std::vector<float> offsets;
};

// A quantized matrix of a checkpoint in any of the layouts: its tensors found and checked against
// the settings, its groups known. The checkpoint outlives it. Reads may run in several threads.
class PackedMatrix {
 public:
  // Whether the checkpoint keeps the matrix `name` in codes.
  static bool present(const Checkpoint& checkpoint, const std::string& name);
  // [out, in] of the matrix `name` as its tensors have it. Throws Error naming one that has no
  // shape of this format.
  static std::pair<int64_t, int64_t> shape_in(const Checkpoint& checkpoint,
                                              const QuantSettings& settings,
                                              const std::string& name);
  // Throws Error naming the tensor that is missing, misshapen or holds what cannot be.
  static std::shared_ptr<const PackedMatrix> open(const Checkpoint& checkpoint,
                                                  const QuantSettings& settings,
                                                  const std::string& name, int64_t out, int64_t in,
                                                  OnceLog& log);
  virtual ~PackedMatrix() = default;
  PackedMatrix(const PackedMatrix&) = delete;
  PackedMatrix& operator=(const PackedMatrix&) = delete;

  const MatrixLayout& layout() const { return layout_; }
  // [in] the group of each input; empty: input k belongs to group k / group().
  std::span<const int32_t> group_index() const { return group_index_; }
  const TensorEntry& codes() const { return *entries_.front(); }
  std::span<const TensorEntry* const> tensors() const { return entries_; }

  // Rows [begin, end). Throws Error for scales that are not finite.
  void read(int64_t begin, int64_t end, CodeRows& rows) const;
  // All of it.
  QuantizedMatrix read_all() const;
  // As read(), but the codes as bit strings into `data` (Packing::rows) instead of into `rows`.
  // False, and nothing done, where the file does not have them so.
  virtual bool read_strings(int64_t begin, int64_t end, std::byte* data, CodeRows& rows) const;

 protected:
  // Rows are read in multiples of `granule` (or up to the last).
  PackedMatrix(const Checkpoint& checkpoint, std::string name, const MatrixLayout& layout,
               int64_t granule);
  virtual void read_granules(int64_t begin, int64_t end, CodeRows& rows) const = 0;

  // The tensor NAME.SUFFIX, of `shape` and one of `types`.
  const TensorEntry& take(const char* suffix, const std::vector<int64_t>& shape,
                          std::initializer_list<DType> types);
  const TensorEntry& take_scales(const char* suffix, const std::vector<int64_t>& shape,
                                 std::initializer_list<DType> types);
  // The tensor NAME.SUFFIX with the group of each input, if there is one.
  void take_group_index(const char* suffix);
  [[noreturn]] void fail(const char* suffix, const std::string& problem,
                         const std::string& mend) const;
  const TensorEntry* find(const char* suffix) const;

  // Elements [begin, begin + count) of rows [first, first + rows) of a matrix of T: [rows, count].
  template <class T>
  std::vector<T> strip(const TensorEntry& entry, int64_t first, int64_t rows, int64_t begin,
                       int64_t count) const {
    std::vector<T> out(static_cast<size_t>(rows * count));
    read_strip(entry,
               {.row = first, .rows = rows, .begin = begin, .count = count, .size = sizeof(T)},
               std::as_writable_bytes(std::span(out)));
    return out;
  }
  // The tensor NAME.SUFFIX, if there is one, says nothing that the others do not.
  void take_note(const char* suffix);
  void resize_groups(int64_t count, CodeRows& rows) const;
  // Throws Error for scales and offsets that are not finite.
  void check_groups(const CodeRows& rows) const;
  // Scales or offsets stored [groups or more, out]: those of outputs [begin, end) as [rows,
  // groups].
  std::vector<float> group_floats(const TensorEntry& entry, int64_t begin, int64_t end) const;

 private:
  struct Strip {
    int64_t row, rows, begin, count, size;
  };
  void read_strip(const TensorEntry& entry, const Strip& strip, std::span<std::byte> out) const;
  void check_group_index(const char* suffix);

 protected:
  const Checkpoint& checkpoint_;
  const std::string name_;
  MatrixLayout layout_;

 private:
  int64_t granule_;
  std::vector<const TensorEntry*> entries_;  // the codes first
  const TensorEntry* scales_ = nullptr;
  std::vector<int32_t> group_index_;
};

}  // namespace octavo
