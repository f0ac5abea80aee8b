#pragma once

#include <string>
#include <string_view>

namespace octavo::cpu {

// What this CPU and kernel let us use (x86: CPUID, XCR0 and, for AMX, the
// permission of the kernel; Arm: the auxiliary vector).
struct Features {
  bool avx2 = false;    // with FMA, F16C, BMI2
  bool avx512 = false;  // F, BW, VL, DQ
  bool avx512_vnni = false;
  bool avx512_bf16 = false;
  bool amx = false;  // tile, bf16, int8; permission granted
  bool neon = false;
  bool neon_dot = false;   // SDOT, UDOT
  bool neon_i8mm = false;  // USDOT, SMMLA
};

Features detect();

// `features` cut to what `isa` names: "reference" and "scalar" none, "avx2", "avx512",
// "avx512-vnni", "avx512-bf16", "amx", on Arm "neon", "neon-dot", "neon-i8mm", "" or "auto" all.
// Throws Error when the name is unknown or the machine lacks it. From OCTAVO_ISA.
Features limit(Features features, std::string_view isa);

// "avx512-bf16": the strongest name that `limit` would accept.
std::string strongest(const Features& features);

}  // namespace octavo::cpu
