#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "ops/kv.h"
#include "tensor/dtype.h"
#include "tensor/queue.h"
#include "tensor/view.h"
#include "tensor/weight.h"

// The contract between the model and the kernels: one entry per operation, one table per backend
// and ISA. ops/reference is its specification in plain loops. A null entry means "not offered":
// tables are made by copying a table and overlaying entries, the reference at the bottom, so a
// finished table has none.
//
// For every table: an output row depends on its own input row (and its own sequence's cache) alone,
// and the order of its additions on the reduced dimension alone. So results depend neither on the
// other rows of a batch, nor on chunking, nor on the number of threads. Activations between
// operations are float. Letters: n tokens (rows), s sequences, h heads, g kv heads, e head size, b
// blocks, v vocabulary.

namespace octavo {

// xielu (2411.13010) with parameters {a_p, a_n, beta, eps}: a_p x² + beta x above 0, else
// a_n (e^min(x, eps) - 1 - x) + beta x.
enum class Act : uint8_t { none, silu, gelu, gelu_tanh, relu, relu2, xielu };
enum class RopePairs : uint8_t { half, interleaved };  // (i, i + d/2) or (2i, 2i + 1)
enum class Into : uint8_t { overwrite, add };  // what happens to the old content of an output

// y[n, out] (+)= x[n, in] · wᵀ + bias. `bias` may be empty.
struct Matmul {
  ConstMat x = {};
  const Weight* w = nullptr;
  Mat y = {};
  Vec bias = {};
  Compute compute = Compute::f32;
  Into into = Into::overwrite;
};

// Which of a product's operands are read transposed: A·B, Aᵀ·B or A·Bᵀ.
enum class GemmForm : uint8_t { ab, atb, abt };
enum class GemmPart : uint8_t { all, upper };  // upper: of C only elements with column >= row

// c[m, n] (+)= alpha · op(a) · op(b), everything float. Not the path of serving: there weights are
// packed once.
struct Gemm {
  ConstMat a = {};  // [m, k], or [k, m] (atb)
  ConstMat b = {};  // [k, n], or [n, k] (abt)
  Mat c = {};       // overlaps neither
  GemmForm form = GemmForm::ab;
  GemmPart part = GemmPart::all;  // the rest of c is neither read nor written
  float alpha = 1;
  Into into = Into::overwrite;
};

// A bias of slope · scale · (key - query position) on the scores of each head.
struct Alibi {
  Vec slopes = {};  // [h]; empty: none
  float scale = 1;
  bool bf16 = false;  // slope · key position, rounded to bfloat16, instead
};

// Causal attention over paged keys and values, the query rows' own keys included (they are written
// before). Query row i of sequence s (rows row_begin[s] .. row_begin[s+1]) is token kv_tokens[s] -
// rows(s) + i of it.
struct Attention {
  ConstHeads q = {};  // [n, h, e]; h is a multiple of g, query head j reads kv head j / (h/g)
  KvLayer kv = {};
  std::span<const int32_t> row_begin = {};  // [s + 1]
  std::span<const int32_t> kv_tokens = {};  // [s] tokens in the cache, this batch's included
  View<const int32_t, 2> block_table = {};  // [s, >= ceil(kv_tokens / block_tokens)]
  float scale = 1;
  int64_t window = 0;  // a row sees its last `window` tokens, itself included; 0: all
  Alibi alibi = {};
  float softcap = 0;  // scores become cap · tanh(score / cap); 0: off
  Heads out = {};     // [n, h, e]
};

struct Norm {
  ConstMat x = {};
  Vec weight = {};  // [features]; empty: ones
  Vec bias = {};    // layer_norm only; may be empty
  float eps = 0;
  float offset = 0;  // y = normalised · (weight + offset)
  Mat y = {};        // may be x itself
};

// A norm of each head alone, in place.
struct HeadNorm {
  Heads x = {};
  Vec weight = {};  // [e] for all heads, or [h · e]: each its own
  Vec bias = {};    // head_layer_norm only, like weight; may be empty
  float eps = 0;
  float offset = 0;
};

// y = act(gate) · up; y may be either. up with data == nullptr: y = act(gate).
struct Activation {
  Act act = Act::none;
  ConstMat gate = {}, up = {};
  Mat y = {};
  Vec parameters = {};  // of xielu
};

struct Ops {
  std::string_view name;  // "reference", "cpu/avx2", "cpu/avx512-bf16"
  std::string_view matmul_dense_name, matmul_affine_name, matmul_int8_name,
      attention_name;  // shown by `inspect`

  // ---- Weights: how this table keeps a matrix.
  // The format this table multiplies fastest for a checkpoint's matrix; `dtype` of dense matrices
  // follows `compute` (a bf16 source stays bf16 under either; an f16 source stays f16 under f32).
  Format (*preferred)(const Format& source, int64_t out, int64_t in, Compute compute) = nullptr;
  // Bytes of the planes of a matrix in one of this table's formats; data may be padded to whole
  // panels.
  PlaneBytes (*planes)(const Format& format, int64_t out, int64_t in) = nullptr;
  // Writes rows [first_row, first_row + rows.out) of `target` from `rows` (rows packing, any source
  // dtype; same scheme and bits). Calls for different rows may run in different threads when
  // first_row is a multiple of 64. REQUIRES: target's planes zeroed before the first call and sized
  // as `planes` says.
  void (*pack)(const Weight& rows, int64_t first_row, const Weight& target) = nullptr;
  // Elements of row `row` of a matrix in one of this table's formats, as float, inputs in their own
  // order [in].
  void (*unpack_row)(const Weight& w, int64_t row, std::span<float> out) noexcept = nullptr;

  // ---- Products. All of a call share `x` and may run as one phase (q, k, v; gate, up).
  void (*matmul)(Queue&, std::span<const Matmul>) noexcept = nullptr;
  // A dense product of two matrices of floats (Gemm). An element's additions run in the order of k,
  // the same in every table but the reference.
  void (*gemm)(Queue&, const Gemm&) noexcept = nullptr;
  // y[i] = scale · row ids[i] of table. REQUIRES: 0 <= ids[i] < table.out.
  void (*embed)(Queue&, const Weight& table, std::span<const int32_t> ids, float scale,
                Mat y) noexcept = nullptr;

  // ---- Rows.
  // y = x · rsqrt(mean(x²) + eps) · (weight + offset)
  void (*rms_norm)(Queue&, const Norm&) noexcept = nullptr;
  // y = (x - mean) · rsqrt(var + eps) · (weight + offset) + bias
  void (*layer_norm)(Queue&, const Norm&) noexcept = nullptr;
  void (*head_rms_norm)(Queue&, const HeadNorm&) noexcept = nullptr;
  void (*head_layer_norm)(Queue&, const HeadNorm&) noexcept = nullptr;
  // Rotates the first 2·cos.cols() elements of each head by the row's angles; cos, sin [n, dim/2].
  void (*rope)(Queue&, Heads x, ConstMat cos, ConstMat sin, RopePairs pairs) noexcept = nullptr;
  void (*activate)(Queue&, const Activation&) noexcept = nullptr;
  // y += scale · x
  void (*add)(Queue&, ConstMat x, float scale, Mat y) noexcept = nullptr;
  // Row n of x *= factors[n].
  void (*scale_rows)(Queue&, Mat x, Vec factors) noexcept = nullptr;
  // x = min(max(x, -limit), limit)
  void (*clamp)(Queue&, Mat x, float limit) noexcept = nullptr;
  // x = cap · tanh(x / cap) when cap > 0, after x *= scale.
  void (*scale_softcap)(Queue&, Mat x, float scale, float cap) noexcept = nullptr;

  // ---- Attention.
  // Stores row i of k and v [n, g, e] in slots[i].
  void (*write_kv)(Queue&, ConstHeads k, ConstHeads v, std::span<const int32_t> slots,
                   const KvLayer& kv) noexcept = nullptr;
  void (*attention)(Queue&, const Attention&) noexcept = nullptr;
  // Whether `attention` has a kernel of its own for such a cache. Without one it computes as the
  // reference does, many times slower: whoever sets the cache up says so once.
  bool (*attends)(const KvShape&) noexcept = nullptr;
};

namespace reference {

// Plain loops, float storage, sums in double where the specification is exactness: the oracle of
// every other table.
Ops ops();

}  // namespace reference
}  // namespace octavo
