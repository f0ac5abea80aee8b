#include "cpu/cpu.h"

#include "cpu/overlays.h"

namespace octavo::cpu {

Ops ops(const Features& features) {
  Ops table = reference::ops();
  if (features.avx2) {
    table = avx2::overlay(table);
    table.name = "cpu/avx2";
  }
  if (features.avx512) {
    table = avx512::overlay(table);
    table.name = "cpu/avx512";
  }
  if (features.avx512_vnni) table.name = "cpu/avx512-vnni";
  if (features.avx512_bf16) {
    table = avx512_bf16::overlay(table);
    table.name = "cpu/avx512-bf16";
  }
  if (features.amx) table.name = "cpu/amx";
  // Products, packing and embed: the overlays of cpu/matmul.h go here, weakest ISA first.
  return table;
}

}  // namespace octavo::cpu
