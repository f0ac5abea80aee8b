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

// Pairs of products in 16 bits: no saturation below codes of 128, so wider ones go in two halves.
inline S pairs_times(U codes, U x, short factor) {
  const __m256i pairs = _mm256_maddubs_epi16((__m256i)codes, (__m256i)x);
  return (S)_mm256_madd_epi16(pairs, _mm256_set1_epi16(factor));
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
}  // namespace octavo::cpu::avx2
OCTAVO_TARGET_END

namespace octavo::cpu {

Ops overlay_matmul_avx2(Ops table) {
  table = overlay_panels(table);
  table.matmul = avx2::matmul;
  table.matmul_dense_name = "avx2 fma 6x16";
  table.matmul_affine_name = "avx2 fma 6x16, codes to f32";
  table.matmul_int8_name = "avx2 vpmaddubsw 4x16";
  return table;
}

}  // namespace octavo::cpu
