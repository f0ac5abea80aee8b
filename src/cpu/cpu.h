#pragma once

#include "cpu/features.h"
#include "ops/ops.h"

namespace octavo::cpu {

// The kernels for these features: the reference table, overlaid by each ISA that is there. Never an
// empty entry.
Ops ops(const Features& features);

}  // namespace octavo::cpu
