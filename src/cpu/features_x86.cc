#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>

#include "cpu/features_levels.h"

namespace octavo::cpu {
namespace {

// Tiles need three consents: the CPU's, the kernel's to save their state (XCR0) and, since their
// state is large, the kernel's for this process (Linux, Documentation/arch/x86/xstate.rst).
bool amx_granted() {
  constexpr unsigned kBf16 = 1u << 22, kTile = 1u << 24, kInt8 = 1u << 25, kOsxsave = 1u << 27;
  constexpr unsigned kTileStates = 3u << 17;
  constexpr int kRequestPermission = 0x1023, kTileData = 18;
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & kOsxsave)) return false;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return false;
  if ((d & (kBf16 | kTile | kInt8)) != (kBf16 | kTile | kInt8)) return false;
  unsigned low = 0, high = 0;
  __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  if ((low & kTileStates) != kTileStates) return false;
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}

// Each level holds those before it.
constexpr std::array kLevels{
    Level{"reference", {}},
    Level{"avx2", {.avx2 = true}},
    Level{"avx512", {.avx2 = true, .avx512 = true}},
    Level{"avx512-vnni", {.avx2 = true, .avx512 = true, .avx512_vnni = true}},
    Level{"avx512-bf16", {.avx2 = true, .avx512 = true, .avx512_vnni = true, .avx512_bf16 = true}},
    Level{"amx",
          {.avx2 = true, .avx512 = true, .avx512_vnni = true, .avx512_bf16 = true, .amx = true}},
};

}  // namespace

std::span<const Level> levels() { return kLevels; }

Features detect() {
  Features f;
  __builtin_cpu_init();
  f.avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
           __builtin_cpu_supports("f16c") && __builtin_cpu_supports("bmi2");
  f.avx512 = f.avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
             __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
  f.avx512_vnni = f.avx512 && __builtin_cpu_supports("avx512vnni");
  f.avx512_bf16 = f.avx512 && __builtin_cpu_supports("avx512bf16");
  f.amx = f.avx512_bf16 && f.avx512_vnni && amx_granted();
  return f;
}

}  // namespace octavo::cpu
