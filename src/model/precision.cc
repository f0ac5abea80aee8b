#include "model/precision.h"

#include "octavo/error.h"

namespace octavo {
namespace {

// Rounding the factors to bf16 costs less than what a block format of 8 bits or less has cost, and
// less than what codes beside an f16 remainder have.
Compute dense_compute(DTypeChoice choice, const StoredPrecision& stored) {
  const bool coarse = stored.bf16_or_blocks || (stored.f16 && stored.quantized);
  if (choice == DTypeChoice::automatic) return coarse ? Compute::bf16 : Compute::f32;
  return choice == DTypeChoice::bfloat16 ? Compute::bf16 : Compute::f32;
}

}  // namespace

Precision settle_precision(const PrecisionChoice& choice, const StoredPrecision& stored) {
  const bool exact = choice.dtype == DTypeChoice::float32;
  const bool rounds =
      choice.quantize_dense == DenseChoice::head || choice.quantize_dense == DenseChoice::all;
  if (exact && rounds) {
    throw Error("float32 keeps dense matrices as they are", "--quantize-dense",
                "leave it out or choose another --dtype");
  }
  Precision p{.dense = dense_compute(choice.dtype, stored)};
  p.int8_dense = choice.quantize_dense == DenseChoice::all;
  p.int8_head =
      rounds || (choice.quantize_dense == DenseChoice::automatic && stored.quantized && !exact);
  const bool int8 = choice.activations == ActivationChoice::int8 ||
                    (choice.activations == ActivationChoice::automatic && !exact);
  p.quantized = int8 ? Compute::int8 : p.dense;
  p.kv = p.dense == Compute::bf16 ? DType::bf16 : DType::f32;
  return p;
}

}  // namespace octavo
