#pragma once

#include <span>
#include <string_view>

#include "cpu/features.h"

// What the source of one processor family tells the rest of features.cc.
namespace octavo::cpu {

// A name of OCTAVO_ISA and all that it stands for.
struct Level {
  std::string_view name;
  Features features;
};

// From "reference" on, each level holding those before it.
std::span<const Level> levels();

// Whether `machine` has all that is wanted.
bool offers(const Features& machine, const Features& wanted);

}  // namespace octavo::cpu
