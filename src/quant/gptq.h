#pragma once

#include <cstdint>
#include <span>

#include "ops/ops.h"
#include "tensor/quantized.h"
#include "tensor/queue.h"

namespace octavo::quant {

// How one matrix is rounded; fields as in Recipe.
struct GptqOptions {
  int bits = 4;
  int64_t group_size = 128;  // in: one group a row
  bool symmetric = false;
  bool desc_act = false, static_groups = false, group_aware = true;
  float damp_percent = 0.05f, mse = 0;
  float gptaq_alpha = 0.25f;  // of GptqInput::drift
  DType scale_dtype = DType::f16;
  // Beyond the paper, in the same format: ranges searched for the least error weighted by diag(H),
  // and so many rounds of coordinate descent on codes and scales after the walk, against the same
  // damped H. On small models one lowers the error of a layer to 0.45 (2 bits) to 0.75 (4 bits) of
  // what the paper's way leaves and the divergence on unseen text to 0.6; a second gains 2 % more.
  // 0: the paper's way.
  int refinements = 1;
  int lowest_zero = 0;  // 1 for files of GPTQ v1, which cannot hold a zero of 0
};

struct GptqInput {
  std::span<float> weights;  // [out, in]; scratch afterwards
  int64_t out = 0, in = 0;
  std::span<float> hessian;  // [in, in] (2/n) Σ x xᵀ, upper triangle valid; scratch afterwards
  std::span<const float> drift;  // [in, in] (2/n) Σ (x̃ - x) xᵀ (GPTAQ); empty: none
};

struct GptqResult {
  QuantizedMatrix matrix;
  double loss = 0;       // Σ (w - q)² / d² / 2, as the reference logs it, not divided by n
  float damp = 0;        // the share of mean diag(H) that was needed
  bool rounded = false;  // H could not be factored: plain rounding to nearest
};

// Hessian-based rounding (GPTQ, 2210.17323, algorithm 1), with act-order, static or group-aware
// order, range search and GPTAQ's drift, then coordinate descent from what it found. Columns that
// no input reached (0 on H's diagonal) are rounded to nearest and do not widen their groups.  The
// result depends on the input alone, not on threads or ISA. Never fails: damping grows until H
// factors, then rounding to nearest.
GptqResult gptq(Queue& queue, const Ops& ops, const GptqInput& input, const GptqOptions& options);

}  // namespace octavo::quant
