#include "cpu/kv_layout.h"
#include "cpu/overlays.h"
#include "cpu/simd.h"
#include "cpu/write_kv.h"

namespace octavo::cpu::neon {
namespace {

#include "cpu/simd_neon.inl.h"
//
#include "cpu/math.inl.h"
#include "cpu/vectors.inl.h"
//
#include "cpu/attention_tile.inl.h"
#include "cpu/gemm.inl.h"
#include "cpu/rows.inl.h"
//
#include "cpu/attention.inl.h"

void attention(Queue& queue, const Attention& a) noexcept {
  if (!has_layout(a.kv.shape)) return reference::attention(queue, a);
  if (a.kv.shape.dtype == DType::bf16) return attend<Bf16Kv>(queue, a);
  attend<F32Kv>(queue, a);
}

}  // namespace
}  // namespace octavo::cpu::neon

namespace octavo::cpu::neon {

Ops overlay(Ops table) {
  table.attention_name = "neon";
  table.gemm = gemm;
  table.rms_norm = rms_norm;
  table.layer_norm = layer_norm;
  table.head_rms_norm = head_rms_norm;
  table.head_layer_norm = head_layer_norm;
  table.rope = rope;
  table.activate = activate;
  table.add = add_scaled;
  table.scale_rows = scale_rows;
  table.clamp = clamp;
  table.scale_softcap = scale_softcap;
  table.write_kv = write_kv;
  table.attention = attention;
  table.attends = has_layout;
  return table;
}

}  // namespace octavo::cpu::neon
