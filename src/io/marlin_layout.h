#pragma once

#include "io/packed_matrix.h"
#include "io/quantized_layout.h"

// The tensors of AWQ's version "marlin" (the kernel of 2408.11743 before it was generalised), 4
// bits, symmetric:
//   qweight i32 [in/16, 2·out]  row t holds inputs 16t..16t+15 in tiles of 16 by 16, out/16 of them
//                               one after another; the 1024 codes of four tiles are permuted as its
//                               tensor-core fragments want them
//   scales  f16 [G, out]        permuted within 64 outputs, within 32 where G = 1
namespace octavo {

std::vector<TensorPlan> marlin_tensors(const MatrixLayout& layout, const std::string& matrix);
std::vector<std::vector<std::byte>> pack_marlin(const MatrixLayout& layout,
                                                const QuantizedMatrix& matrix);
std::shared_ptr<const PackedMatrix> open_marlin(const Checkpoint& checkpoint,
                                                const std::string& name,
                                                const MatrixLayout& layout);

}  // namespace octavo
