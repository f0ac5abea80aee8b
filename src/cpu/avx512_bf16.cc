#include "cpu/kv_layout.h"
#include "cpu/overlays.h"
#include "cpu/simd.h"

OCTAVO_TARGET_BEGIN(OCTAVO_AVX512_BF16)
namespace octavo::cpu::avx512_bf16 {
namespace {

#include "cpu/simd_avx512.inl.h"
#include "cpu/simd_x86.inl.h"
//
#include "cpu/math.inl.h"
//
#include "cpu/attention_dot.inl.h"
#include "cpu/attention_tile.inl.h"
#include "cpu/vectors.inl.h"
//
#include "cpu/attention.inl.h"

void attention(Queue& queue, const Attention& a) noexcept {
  if (!has_layout(a.kv.shape)) return reference::attention(queue, a);
  if (a.kv.shape.dtype == DType::bf16) return attend<Bf16Dot>(queue, a);
  attend<F32Kv>(queue, a);
}

}  // namespace
}  // namespace octavo::cpu::avx512_bf16
OCTAVO_TARGET_END

namespace octavo::cpu::avx512_bf16 {

Ops overlay(Ops table) {
  table.attention_name = "avx512-bf16";
  table.attention = attention;
  table.attends = has_layout;
  return table;
}

}  // namespace octavo::cpu::avx512_bf16
