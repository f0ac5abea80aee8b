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
//
#include "cpu/matmul_entry.inl.h"

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
