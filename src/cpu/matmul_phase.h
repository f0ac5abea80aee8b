#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "cpu/panels.h"
#include "ops/int8.h"
#include "ops/ops.h"

// How a product runs: x is brought once into the form that the kernel reads, then panels are shared
// out among the workers. The ISA supplies the two inner functions.
namespace octavo::cpu {

// What a kernel reads as x.
enum class XForm : uint8_t {
  f32,          // x itself
  rounded_f32,  // rounded to bf16, kept in float
  bf16,         // rounded to bf16
  int8,         // rounded to integers of 8 bits a unit (ops/int8.h)
};

// A unit of a row of x under XForm::int8.
struct XUnit {
  float scale;
  int32_t sum;  // of its integers
};

// x of one call as its kernel reads it: rows of `inputs` elements (K padded with zeros) at
// `stride_bytes`, and per row the sum of each group of them.
struct XRows {
  XForm form = XForm::f32;
  std::byte* data = nullptr;
  int64_t stride_bytes = 0;
  float* sums = nullptr;  // [rows, groups]; affine
  int64_t groups = 0;
  XUnit* units = nullptr;  // [rows, units_of_row]; int8
  int64_t units_of_row = 0;
};

// One row of x to its place in XRows.
struct XRowTask {
  const float* x;
  int64_t in;
  const int32_t* order;  // null: as it is
  int64_t inputs;        // elements to write, in <= inputs
  int64_t group_size;    // 0: no sums
  float* gathered;       // [inputs] scratch
  std::byte* out;
  float* sums;
  XUnit* units;            // int8
  int64_t inputs_of_word;  // int8: the order of its bytes
  XForm form;
};

// y[row .. row + rows, 64 outputs of a panel] of one product.
struct PanelTask {
  const Matmul* product = nullptr;
  PanelShape shape = {};
  XRows x = {};
  int64_t panel = 0;
  int64_t row = 0, rows = 0;     // rows <= kMaxRows
  std::byte* scratch = nullptr;  // kPanelScratchBytes, 64-byte aligned
};

inline constexpr int64_t kMaxRows = 480;      // of a task: its sums stay in L2
inline constexpr int64_t kStripInputs = 512;  // of a panel of codes, unpacked at once
inline constexpr int64_t kDenseBlockInputs =
    512;  // inputs of a B block that several blocks of rows share
inline constexpr int64_t kTileBytes = (kMaxRows + 16) * kPanel * 4;
inline constexpr int64_t kPanelScratchBytes = kStripInputs * kPanel * 4 + 2 * kTileBytes + 1024;

struct PanelKernels {
  XForm (*form)(const Format&, Compute) noexcept;
  void (*row)(const XRowTask&) noexcept;
  void (*panel)(const PanelTask&) noexcept;
};

void run_matmul(Queue& queue, std::span<const Matmul> products,
                const PanelKernels& kernels) noexcept;

// The end of a task: y (+)= sums + bias for the panel's outputs. `tile` is [rows][64].
void write_panel(const PanelTask& task, const float* tile) noexcept;

}  // namespace octavo::cpu
