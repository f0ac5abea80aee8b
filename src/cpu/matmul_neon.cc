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

inline S dot(S sums, U codes, U x) { return sums + four_products(codes, x); }
inline S dot_wide(S sums, U codes, U x) {
  return sums + four_products(codes & 0x0F0F0F0Fu, x) +
         four_products(codes >> 4 & 0x0F0F0F0Fu, x) * 16;
}
#include "cpu/matmul_int8.inl.h"

XForm form(const Format& format, Compute compute) noexcept {
  if (compute == Compute::int8 && format.scheme != Scheme::dense) return XForm::int8;
  return compute == Compute::f32 ? XForm::f32 : XForm::rounded_f32;
}
void panel(const PanelTask& task) noexcept {
  return task.x.form == XForm::int8 ? int_panel(task) : float_panel(task);
}
void row(const XRowTask& task) noexcept {
  return task.form == XForm::int8 ? int8_row(task) : float_row(task);
}

void matmul(Queue& queue, std::span<const Matmul> products) noexcept {
  run_matmul(queue, products, {.form = form, .row = row, .panel = panel});
}

}  // namespace
}  // namespace octavo::cpu::neon

namespace octavo::cpu {

Ops overlay_matmul_neon(Ops table) {
  table = overlay_panels(table);
  table.matmul = neon::matmul;
  table.matmul_dense_name = "neon fma 6x16";
  table.matmul_affine_name = "neon fma 6x16, codes to f32";
  table.matmul_int8_name = "neon smull 4x16";
  return table;
}

}  // namespace octavo::cpu
