#include <arm_neon.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "cpu/matmul.h"
#include "cpu/matmul_phase.h"
#include "cpu/target.h"

OCTAVO_TARGET_BEGIN("arch=armv8.2-a+dotprod+i8mm")
namespace octavo::cpu::neon_i8mm {
namespace {

#include "cpu/matmul_neon.inl.h"
#include "cpu/matmul_panel.inl.h"

inline S dot(S sums, U codes, U x) {
  return (S)vusdotq_s32((int32x4_t)sums, (uint8x16_t)codes, (int8x16_t)x);
}
inline S dot_wide(S sums, U codes, U x) { return dot(sums, codes, x); }

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
}  // namespace octavo::cpu::neon_i8mm
OCTAVO_TARGET_END

namespace octavo::cpu {

Ops overlay_matmul_neon_i8mm(Ops table) {
  table = overlay_panels(table);
  table.matmul = neon_i8mm::matmul;
  table.matmul_int8_name = "neon usdot 4x16";
  return table;
}

}  // namespace octavo::cpu
