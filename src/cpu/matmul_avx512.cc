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

OCTAVO_TARGET_BEGIN(OCTAVO_AVX512)
namespace octavo::cpu::avx512 {
namespace {

#include "cpu/matmul_avx512.inl.h"
#include "cpu/matmul_panel.inl.h"

// Pairs of products in 16 bits: no saturation below codes of 128, so wider ones go in two halves.
inline S pairs_times(U codes, U x, short factor) {
  const __m512i pairs = _mm512_maddubs_epi16((__m512i)codes, (__m512i)x);
  return (S)_mm512_madd_epi16(pairs, _mm512_set1_epi16(factor));
}
inline S dot(S sums, U codes, U x) { return sums + pairs_times(codes, x, 1); }
inline S dot_wide(S sums, U codes, U x) {
  return sums + pairs_times(codes & 0x0F0F0F0Fu, x, 1) +
         pairs_times(codes >> 4 & 0x0F0F0F0Fu, x, 16);
}

#include "cpu/matmul_int8_x86.inl.h"
//
#include "cpu/matmul_int8.inl.h"
//
#include "cpu/matmul_entry.inl.h"

}  // namespace
}  // namespace octavo::cpu::avx512
OCTAVO_TARGET_END

namespace octavo::cpu {

Ops overlay_matmul_avx512(Ops table) {
  table = overlay_panels(table);
  table.matmul = avx512::matmul;
  table.matmul_dense_name = "avx512 fma 6x64";
  table.matmul_affine_name = "avx512 fma 6x64, codes to f32";
  table.matmul_int8_name = "avx512 vpmaddubsw 6x64";
  return table;
}

}  // namespace octavo::cpu
