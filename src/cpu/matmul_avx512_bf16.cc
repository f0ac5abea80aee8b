// GCC 12 takes the "undefined" vectors of its own header for uninitialized variables.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#include <immintrin.h>
#pragma GCC diagnostic pop

#include <algorithm>
#include <array>
#include <bit>

#include "cpu/matmul.h"
#include "cpu/matmul_phase.h"
#include "cpu/target.h"

OCTAVO_TARGET_BEGIN(OCTAVO_AVX512_BF16)
namespace octavo::cpu::avx512_bf16 {
namespace {

#include "cpu/matmul_avx512.inl.h"
#include "cpu/matmul_panel.inl.h"
#include "cpu/matmul_panel_pair.inl.h"

XForm form(const Format& format, Compute compute) noexcept {
  if (compute == Compute::f32) return XForm::f32;
  return has_pairs(format) ? XForm::bf16 : XForm::rounded_f32;
}

void panel(const PanelTask& task) noexcept {
  return task.x.form == XForm::bf16 ? pair_panel(task) : float_panel(task);
}

void matmul(Queue& queue, std::span<const Matmul> products) noexcept {
  run_matmul(queue, products, {.form = form, .row = float_row, .panel = panel});
}

}  // namespace
}  // namespace octavo::cpu::avx512_bf16
OCTAVO_TARGET_END

namespace octavo::cpu {

Ops overlay_matmul_avx512_bf16(Ops table) {
  table = overlay_panels(table);
  table.matmul = avx512_bf16::matmul;
  table.matmul_dense_name = "avx512 vdpbf16ps 6x64";
  table.matmul_affine_name = "avx512 vdpbf16ps 6x64, codes to bf16";
  return table;
}

}  // namespace octavo::cpu
