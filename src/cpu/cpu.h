#pragma once

#include "cpu/features.h"
#include "ops/ops.h"

namespace octavo::cpu {

// The kernels for these features: the reference table, overlaid by each ISA that is there. Never an
// empty entry.
Ops ops(const Features& features);

// The same kernels as far as they give the same bits on every machine that has AVX2: products of
// floats in the widest vectors, since each of their sums runs in the order of k, and the rest,
// whose sums run over lanes, in AVX2's. For whoever writes files that must not depend on the
// machine (the quantizer). REQUIRES of the caller: Compute::f32.
Ops exact_ops(const Features& features);

}  // namespace octavo::cpu
