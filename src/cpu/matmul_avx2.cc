#include <immintrin.h>

#include <algorithm>
#include <array>
#include <bit>

#include "cpu/matmul.h"
#include "cpu/matmul_phase.h"
#include "cpu/target.h"

OCTAVO_TARGET_BEGIN(OCTAVO_AVX2)
namespace octavo::cpu::avx2 {
namespace {

#include "cpu/matmul_avx2.inl.h"
#include "cpu/matmul_panel.inl.h"

XForm form(const Format&, Compute compute) noexcept {
  return compute == Compute::bf16 ? XForm::rounded_f32 : XForm::f32;
}
void panel(const PanelTask& task) noexcept { float_panel(task); }

void matmul(Queue& queue, std::span<const Matmul> products) noexcept {
  run_matmul(queue, products, {.form = form, .row = float_row, .panel = panel});
}

}  // namespace
}  // namespace octavo::cpu::avx2
OCTAVO_TARGET_END

namespace octavo::cpu {

Ops overlay_matmul_avx2(Ops table) {
  table = overlay_panels(table);
  table.matmul = avx2::matmul;
  table.matmul_dense_name = "avx2 fma 6x16";
  table.matmul_affine_name = "avx2 fma 6x16, codes to f32";
  return table;
}

}  // namespace octavo::cpu
