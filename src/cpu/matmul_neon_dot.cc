#include <arm_neon.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "cpu/matmul.h"
#include "cpu/matmul_phase.h"
#include "cpu/target.h"

OCTAVO_TARGET_BEGIN("arch=armv8.2-a+dotprod")
namespace octavo::cpu::neon_dot {
namespace {

#include "cpu/matmul_neon.inl.h"
#include "cpu/matmul_panel.inl.h"

inline S dot(S sums, U codes, U x) {
  return (S)vdotq_s32((int32x4_t)sums, (int8x16_t)codes, (int8x16_t)x);
}
// SDOT takes both factors as signed, so codes of all 8 bits go in two halves.
inline S dot_wide(S sums, U codes, U x) {
  return dot(sums, codes & 0x0F0F0F0Fu, x) + dot(S{}, codes >> 4 & 0x0F0F0F0Fu, x) * 16;
}

#include "cpu/matmul_int8.inl.h"
//
#include "cpu/matmul_entry.inl.h"

}  // namespace
}  // namespace octavo::cpu::neon_dot
OCTAVO_TARGET_END

namespace octavo::cpu {

Ops overlay_matmul_neon_dot(Ops table) {
  table = overlay_panels(table);
  table.matmul = neon_dot::matmul;
  table.matmul_int8_name = "neon sdot 4x16";
  return table;
}

}  // namespace octavo::cpu
