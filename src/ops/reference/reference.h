#pragma once

#include "base/half.h"
#include "ops/ops.h"

// The entries of the reference table, to be read as the meaning of ops.h. Weights stay in `rows`
// packing. A block of keys, and likewise of values, is [kv heads, block tokens, head size].
namespace octavo::reference {

Format preferred(const Format& source, int64_t out, int64_t in, Compute compute);
void pack(const Weight& rows, int64_t first_row, const Weight& target);
void unpack_row(const Weight& w, int64_t row, std::span<float> out) noexcept;

void matmul(Queue& queue, std::span<const Matmul> products) noexcept;
// A product of Compute::int8 with a quantized matrix: the same bits in every table.
void matmul_int8(Queue& queue, const Matmul& product) noexcept;
void gemm(Queue& queue, const Gemm& g) noexcept;
void embed(Queue& queue, const Weight& table, std::span<const int32_t> ids, float scale,
           Mat y) noexcept;

void rms_norm(Queue& queue, const Norm& norm) noexcept;
void layer_norm(Queue& queue, const Norm& norm) noexcept;
void head_rms_norm(Queue& queue, const HeadNorm& norm) noexcept;
void head_layer_norm(Queue& queue, const HeadNorm& norm) noexcept;
void rope(Queue& queue, Heads x, ConstMat cos, ConstMat sin, RopePairs pairs) noexcept;
void activate(Queue& queue, const Activation& a) noexcept;
void add(Queue& queue, ConstMat x, float scale, Mat y) noexcept;
void scale_rows(Queue& queue, Mat x, Vec factors) noexcept;
void clamp(Queue& queue, Mat x, float limit) noexcept;
void scale_softcap(Queue& queue, Mat x, float scale, float cap) noexcept;

void write_kv(Queue& queue, ConstHeads k, ConstHeads v, std::span<const int32_t> slots,
              const KvLayer& kv) noexcept;
void attention(Queue& queue, const Attention& a) noexcept;
bool attends(const KvShape& shape) noexcept;

// Aborts unless the shapes of a product fit together.
inline void check_gemm(const Gemm& g) {
  const bool atb = g.form == GemmForm::atb, abt = g.form == GemmForm::abt;
  OCTAVO_CHECK((atb ? g.a.cols() : g.a.rows()) == g.c.rows());
  OCTAVO_CHECK((abt ? g.b.rows() : g.b.cols()) == g.c.cols());
  OCTAVO_CHECK((atb ? g.a.rows() : g.a.cols()) == (abt ? g.b.cols() : g.b.rows()));
}

inline float round_to_bf16(float v) { return to_float(to_bfloat16(v)); }

}  // namespace octavo::reference
