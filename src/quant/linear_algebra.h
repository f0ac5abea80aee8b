#pragma once

#include "ops/ops.h"
#include "tensor/queue.h"

namespace octavo::quant {

// Factors of symmetric matrices [n, n] in place, blocked over Ops::gemm: same bits for any number
// of threads. Only upper triangles are read or written. Products run in float, the blocks on the
// diagonal in double.

// h becomes R, upper triangular, with h = R·Rᵀ (a Cholesky factorisation begun at the last column).
// Returns false, h spoiled, where a pivot is not positive or not finite.
[[nodiscard]] bool factor_upper(Queue& queue, const Ops& ops, Mat h);

// r, upper triangular without zeros on its diagonal, becomes its inverse.
void invert_upper(Queue& queue, const Ops& ops, Mat r);

// h becomes U, upper triangular, with h⁻¹ = Uᵀ·U: the Cholesky factor of the inverse that GPTQ
// walks along. As h = R·Rᵀ gives h⁻¹ = R⁻ᵀ·R⁻¹, U is R⁻¹: one factorisation and one triangular
// inverse instead of two factorisations and a full inverse. Returns false like factor_upper.
[[nodiscard]] bool factor_inverse(Queue& queue, const Ops& ops, Mat h);

}  // namespace octavo::quant
