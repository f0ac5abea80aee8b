#pragma once

#include "io/packed_matrix.h"
#include "io/quantized_layout.h"

// The tensors of compressed-tensors' format pack-quantized, of a linear layer [out, in] in b bits
// and G groups:
//   weight_packed      i32 [out, ceil(in·b/32)]   a bit string a row
//   weight_scale       float [out, G]
//   weight_shape       i64 [2]                    out, in
//   weight_zero_point  i32 [ceil(out·b/32), G]    a bit string down each column; where not
//   symmetric weight_g_idx       i32 [in]                   the group of each input; with act-order
// Older writers put 32 div b values into a word and left the rest of it empty, and kept zeros as i8
// [out, G], less 2^(b-1).
namespace octavo {

std::vector<TensorPlan> strings_tensors(const MatrixLayout& layout, const std::string& matrix);
std::vector<std::vector<std::byte>> pack_strings(const MatrixLayout& layout,
                                                 const QuantizedMatrix& matrix);
std::shared_ptr<const PackedMatrix> open_strings(const Checkpoint& checkpoint,
                                                 const std::string& name,
                                                 const MatrixLayout& layout);

}  // namespace octavo
