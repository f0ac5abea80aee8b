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
  if (features.neon_dot) {
    table = overlay_matmul_neon_dot(table);
    table.name = "cpu/neon-dot";
  }
  if (features.neon_i8mm) {
    table = overlay_matmul_neon_i8mm(table);
    table.name = "cpu/neon-i8mm";
  }
  return table;
}

Ops exact_ops(const Features& features) { return ops({.neon = features.neon}); }

}  // namespace octavo::cpu
