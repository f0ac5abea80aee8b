#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "io/safetensors.h"
#include "octavo/recipe.h"
#include "tensor/quantized.h"

namespace octavo {

// How a checkpoint keeps quantized matrices.
struct QuantSettings {
  QuantFormat format = QuantFormat::compressed_tensors;
  int bits = 4;            // 2 to 8, as the format allows
  int64_t group_size = 0;  // 0: one group a row
  bool symmetric = false;  // every zero is 2^(bits-1)
  bool act_order = false;  // groups are those of a tensor g_idx, not of the inputs' positions

  bool operator==(const QuantSettings&) const = default;
};

// One matrix in such a checkpoint.
struct MatrixLayout {
  QuantSettings settings;
  int64_t out = 0, in = 0;
  DType scale_dtype = DType::f16;

  int64_t group() const {  // inputs of a group
    return settings.group_size > 0 && settings.group_size < in ? settings.group_size : in;
  }
  int64_t groups() const { return (in + group() - 1) / group(); }
};

// "gptq_v2": the name that messages and `--format` use, with dashes where the enum has underscores.
std::string to_string(QuantFormat format);

// The type in which a format keeps the scales of a matrix that was of `source`.
DType scale_dtype_in(QuantFormat format, DType source);

// The lowest zero point that a format can say: 1 in `gptq`, which stores zeros less one in a way
// that readers undo unlike where that borrows; else 0.
inline int lowest_zero(QuantFormat format) { return format == QuantFormat::gptq ? 1 : 0; }

// Throws Error (request) naming `matrix` and a remedy when readers of the format could not take it.
void check_layout(const MatrixLayout& layout, const std::string& matrix);

// The tensors MATRIX.qweight, ... of a matrix, as the references call, type and shape them.
// REQUIRES: check_layout passed.
std::vector<TensorPlan> layout_tensors(const MatrixLayout& layout, const std::string& matrix);

// The layout of a matrix at hand.
MatrixLayout layout_of(QuantFormat format, const QuantizedMatrix& matrix);

// The bytes of layout_tensors(layout_of(format, matrix)), tensor by tensor. REQUIRES: check_layout
// passed; no zero below lowest_zero(format); every zero 2^(bits-1) where the matrix is symmetric.
std::vector<std::vector<std::byte>> pack_layout(QuantFormat format, const QuantizedMatrix& matrix);

}  // namespace octavo
