#include "cpu/features.h"

#include "cpu/features_levels.h"
#include "octavo/error.h"

namespace octavo::cpu {

bool offers(const Features& machine, const Features& wanted) {
  return machine.avx2 >= wanted.avx2 && machine.avx512 >= wanted.avx512 &&
         machine.avx512_vnni >= wanted.avx512_vnni && machine.avx512_bf16 >= wanted.avx512_bf16 &&
         machine.amx >= wanted.amx && machine.neon >= wanted.neon &&
         machine.neon_dot >= wanted.neon_dot && machine.neon_i8mm >= wanted.neon_i8mm;
}

namespace {

std::string known_names() {
  std::string names = "auto";
  for (const Level& level : levels()) {
    names += &level == &levels().back() ? " or " : ", ";
    names += level.name;
  }
  return names;
}

}  // namespace

Features limit(Features features, std::string_view isa) {
  if (isa.empty() || isa == "auto") return features;
  if (isa == "scalar") isa = "reference";
  for (const Level& level : levels()) {
    if (level.name != isa) continue;
    if (offers(features, level.features)) return level.features;
    throw Error("this machine lacks " + std::string(isa), "OCTAVO_ISA",
                "use " + strongest(features) + " or auto");
  }
  throw Error("unknown instruction set '" + std::string(isa) + "'", "OCTAVO_ISA",
              "use " + known_names());
}

std::string strongest(const Features& features) {
  std::string_view best;
  for (const Level& level : levels()) {
    if (offers(features, level.features)) best = level.name;
  }
  return std::string(best);
}

}  // namespace octavo::cpu
