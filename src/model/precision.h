#pragma once

#include <cstdint>

#include "tensor/dtype.h"

namespace octavo {

enum class DTypeChoice : uint8_t { automatic, float32, bfloat16, float16 };

// What activations become when they meet a quantized matrix: `exact` leaves them as the dense ones
// are multiplied (bf16, or float under --dtype float32), `int8` rounds them by groups
// (ops/int8.h). Automatic: int8 unless everything is asked for in float.
enum class ActivationChoice : uint8_t { automatic, exact, int8 };

// Which dense matrices are rounded to 8-bit codes in groups of 128 while they are loaded.
// Automatic: the head of a quantized model, where not everything is asked for in float. A head that
// is tied to the embedding then has codes of its own; look-ups stay exact unless `all` is asked
// for.
enum class DenseChoice : uint8_t { automatic, none, head, all };

struct PrecisionChoice {
  DTypeChoice dtype = DTypeChoice::automatic;
  ActivationChoice activations = ActivationChoice::automatic;
  DenseChoice quantize_dense = DenseChoice::automatic;
};

// What of a checkpoint the automatic choices depend on.
struct StoredPrecision {
  bool bf16_or_blocks = false;  // the embedding is stored no finer than bf16
  bool f16 = false;             // the embedding is stored as f16
  bool quantized = false;       // some matrix is
};

// How a model computes.
struct Precision {
  Compute dense = Compute::f32;
  Compute quantized = Compute::f32;
  DType kv = DType::f32;
  bool int8_head = false;   // a dense head is kept in 8-bit codes
  bool int8_dense = false;  // all dense matrices of products are
};

// Throws Error where choices contradict each other.
Precision settle_precision(const PrecisionChoice& choice, const StoredPrecision& stored);

}  // namespace octavo
