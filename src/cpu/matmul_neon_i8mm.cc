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
//
#include "cpu/matmul_entry.inl.h"

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
