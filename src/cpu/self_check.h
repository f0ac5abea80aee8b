#pragma once

#include <string>
#include <vector>

#include "cpu/features.h"
#include "ops/ops.h"

namespace octavo::cpu {

// Multiplies a small matrix in each way of computing (a few milliseconds in all) and returns what
// the first wrong product was, "" where all are as the reference says: a kernel that this CPU, or
// whoever emulates it, runs wrongly must not answer anybody.
std::string wrong_product(const Ops& table);

// A table whose products are right, and why stronger ones were refused.
struct CheckedOps {
  Ops ops;
  std::vector<std::string> refused;  // "cpu/amx: int4 g128 with activations of 8 bits, 7 rows"
};

// The strongest table within `features` that passes.
CheckedOps checked_ops(const Features& features);

}  // namespace octavo::cpu
