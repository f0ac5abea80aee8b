#pragma once

#include "io/packed_matrix.h"
#include "io/quantized_layout.h"

// AWQ's tensors of a linear layer [out, in] in 4 bits and G groups:
//   gemm       qweight i32 [in, out/8]   word c of row k holds outputs 8c..8c+7 of input k, nibble
//   i
//                                        that of output 8c + kAwqOrder[i]
//              qzeros  i32 [G, out/8]    likewise;  scales f16 [G, out]
//   gemv       qweight i32 [out, in/8]   nibbles in order;  scales f16 [out, 8z]
//              qzeros  i32 [out, z]      z = awq_zero_words: G rounded up as the kernel wants it
//   gemv_fast  qweight i16 [out/4, in]   four outputs interleaved (awq_fast_place)
//              scales, qzeros f16 [8z, out]   a weight is code · scale + qzeros
namespace octavo {

inline constexpr int kAwqOrder[8] = {0, 2, 4, 6, 1, 3, 5, 7};

// Words of zeros of a row in gemv; 0 where the kernel has no such group size.
int64_t awq_zero_words(const MatrixLayout& layout);

// Where gemv_fast keeps the code of an input: in which of the four rows' 16-bit elements, and in
// which nibble of it. `row` is the output modulo 4.
struct AwqFastPlace {
  int64_t element;
  int nibble;
};
AwqFastPlace awq_fast_place(int64_t row, int64_t input);

std::vector<TensorPlan> awq_tensors(const MatrixLayout& layout, const std::string& matrix);
std::vector<std::vector<std::byte>> pack_awq(const MatrixLayout& layout,
                                             const QuantizedMatrix& matrix);
std::shared_ptr<const PackedMatrix> open_awq_gemm(const Checkpoint& checkpoint,
                                                  const std::string& name,
                                                  const MatrixLayout& layout);
std::shared_ptr<const PackedMatrix> open_awq_gemv(const Checkpoint& checkpoint,
                                                  const std::string& name,
                                                  const MatrixLayout& layout);
std::shared_ptr<const PackedMatrix> open_awq_gemv_fast(const Checkpoint& checkpoint,
                                                       const std::string& name,
                                                       const MatrixLayout& layout);

}  // namespace octavo
