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
#include "cpu/matmul_int8.h"
#include "cpu/target.h"

OCTAVO_TARGET_BEGIN(OCTAVO_AVX512_VNNI)
namespace octavo::cpu::avx512_vnni {
namespace {

#include "cpu/matmul_avx512.inl.h"
#include "cpu/matmul_panel.inl.h"

inline S dot(S sums, U codes, U x) {
  return (S)_mm512_dpbusd_epi32((__m512i)sums, (__m512i)codes, (__m512i)x);
}
inline S dot_wide(S sums, U codes, U x) { return dot(sums, codes, x); }

#include "cpu/matmul_int8_x86.inl.h"
//
#include "cpu/matmul_int8.inl.h"
//
#include "cpu/matmul_entry.inl.h"

}  // namespace

void int8_panel_task(const PanelTask& task) noexcept { int_panel(task); }
void int8_row_task(const XRowTask& task) noexcept { int8_row(task); }

}  // namespace octavo::cpu::avx512_vnni
OCTAVO_TARGET_END

namespace octavo::cpu {

Ops overlay_matmul_avx512_vnni(Ops table) {
  table = overlay_panels(table);
  table.matmul = avx512_vnni::matmul;
  table.matmul_int8_name = "avx512 vpdpbusd 6x64";
  return table;
}

}  // namespace octavo::cpu
