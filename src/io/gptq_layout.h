#pragma once

#include "io/packed_matrix.h"
#include "io/quantized_layout.h"

// GPTQ's tensors of a linear layer [out, in] in b bits and G groups:
//   qweight i32 [in·b/32, out]   column o holds the codes of output o, as a bit string down the
//   rows qzeros  i32 [G, out·b/32]    row g holds the zeros of group g, as a bit string scales  f16
//   [G, out] g_idx   i32 [in]             the group of each input
// Versions: `gptq` stores zeros less one; `gptq_v2` as they are; `gptq_p` (planar) too, with codes
// and zeros in planes (bit_string.h) and any width from 2 to 8.
namespace octavo {

std::vector<TensorPlan> gptq_tensors(const MatrixLayout& layout, const std::string& matrix);
std::vector<std::vector<std::byte>> pack_gptq(const MatrixLayout& layout,
                                              const QuantizedMatrix& matrix);
std::shared_ptr<const PackedMatrix> open_gptq(const Checkpoint& checkpoint, const std::string& name,
                                              const MatrixLayout& layout, OnceLog& log);

}  // namespace octavo
