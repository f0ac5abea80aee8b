#include "cpu/cpu.h"

#include "cpu/matmul.h"
#include "cpu/overlays.h"

namespace octavo::cpu {

Ops ops(const Features& features) {
  Ops table = reference::ops();
  if (features.avx2) {
    table = overlay_matmul_avx2(avx2::overlay(table));
    table.name = "cpu/avx2";
  }
  if (features.avx512) {
    table = overlay_matmul_avx512(avx512::overlay(table));
    table.name = "cpu/avx512";
  }
  if (features.avx512_vnni) {
    table = overlay_matmul_avx512_vnni(table);
    table.name = "cpu/avx512-vnni";
  }
  if (features.avx512_bf16) {
    table = overlay_matmul_avx512_bf16(avx512_bf16::overlay(table));
    table.name = "cpu/avx512-bf16";
  }
  if (features.amx) {
    table = overlay_matmul_amx(table);
    table.name = "cpu/amx";
  }
  return table;
}

Ops exact_ops(const Features& features) {
  Ops table = ops({.avx2 = features.avx2});
  const Ops widest = ops(features);
  table.matmul = widest.matmul;
  table.gemm = widest.gemm;
  table.name = widest.name;
  return table;
}

}  // namespace octavo::cpu
