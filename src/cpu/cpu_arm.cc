#include "cpu/cpu.h"
#include "cpu/matmul.h"
#include "cpu/overlays.h"

namespace octavo::cpu {

Ops ops(const Features& features) {
  Ops table = reference::ops();
  if (features.neon) {
    table = overlay_matmul_neon(neon::overlay(table));
    table.name = "cpu/neon";
  }
  return table;
}

Ops exact_ops(const Features& features) { return ops({.neon = features.neon}); }

}  // namespace octavo::cpu
