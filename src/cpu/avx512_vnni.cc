#include "cpu/attention_plan.h"
#include "cpu/kv_layout.h"
#include "cpu/overlays.h"
#include "cpu/simd.h"

OCTAVO_TARGET_BEGIN(OCTAVO_AVX512_VNNI)
namespace octavo::cpu::avx512_vnni {
namespace {

#include "cpu/simd_avx512.inl.h"
#include "cpu/simd_x86.inl.h"
//
#include "cpu/math.inl.h"
//
#include "cpu/attention_tile.inl.h"
#include "cpu/vectors.inl.h"
//
#include "cpu/attention_int8.inl.h"
//
#include "cpu/attention.inl.h"

void attention(Queue& queue, const Attention& a) noexcept { attend_any<Bf16Kv, Int8Dot>(queue, a); }

}  // namespace
}  // namespace octavo::cpu::avx512_vnni
OCTAVO_TARGET_END

namespace octavo::cpu::avx512_vnni {

Ops overlay(Ops table) {
  table.attention_name = "avx512-vnni";
  table.attention = attention;
  return table;
}

}  // namespace octavo::cpu::avx512_vnni
