#include <asm/hwcap.h>
#include <sys/auxv.h>

#include <array>

#include "cpu/features_levels.h"

namespace octavo::cpu {
namespace {

constexpr std::array kLevels{
    Level{"reference", {}},
    Level{"neon", {.neon = true}},
    Level{"neon-dot", {.neon = true, .neon_dot = true}},
    Level{"neon-i8mm", {.neon = true, .neon_dot = true, .neon_i8mm = true}},
};

}  // namespace

std::span<const Level> levels() { return kLevels; }

Features detect() {
  const unsigned long first = getauxval(AT_HWCAP), second = getauxval(AT_HWCAP2);
  Features f{.neon = true};  // part of every 64-bit Arm
  f.neon_dot = (first & HWCAP_ASIMDDP) != 0;
  f.neon_i8mm = f.neon_dot && (second & HWCAP2_I8MM) != 0;
  return f;
}

}  // namespace octavo::cpu
