#include <arm_neon.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "cpu/matmul.h"
#include "cpu/matmul_phase.h"

namespace octavo::cpu::neon {
namespace {

#include "cpu/matmul_neon.inl.h"
#include "cpu/matmul_panel.inl.h"

XForm form(const Format&, Compute compute) noexcept {
  return compute == Compute::f32 ? XForm::f32 : XForm::rounded_f32;
}
void panel(const PanelTask& task) noexcept { float_panel(task); }

void matmul(Queue& queue, std::span<const Matmul> products) noexcept {
  run_matmul(queue, products, {.form = form, .row = float_row, .panel = panel});
}

}  // namespace
}  // namespace octavo::cpu::neon

namespace octavo::cpu {

Ops overlay_matmul_neon(Ops table) {
  table = overlay_panels(table);
  table.matmul = neon::matmul;
  table.matmul_dense_name = "neon fma 6x16";
  table.matmul_affine_name = "neon fma 6x16, codes to f32";
  return table;
}

}  // namespace octavo::cpu
