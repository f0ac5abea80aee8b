#pragma once

#include "ops/ops.h"

// The weight entries of a table (preferred, planes, pack, unpack_row, matmul, embed) for one ISA,
// laid over `table`. All keep matrices in the panels of cpu/panels.h. REQUIRES: the features named.
//
// Order of additions of one output, the same for every number of rows and threads:
//   avx2, avx512, neon  one chain of fused multiply-adds over k, in float;
//   avx512_bf16    one chain of vdpbf16ps over pairs of k (Compute::bf16: dense bf16 and codes);
//   amx            one chain of tdpbf16ps over 32 k.
//   codes          such a chain a group, then total += scale · (chain - zero · sum of the group's
//   x).
//   Compute::int8  as ops/int8.h says, the same bits in all of them (codes only).
namespace octavo::cpu {

Ops overlay_matmul_avx2(Ops table);
Ops overlay_matmul_avx512(Ops table);
Ops overlay_matmul_avx512_vnni(Ops table);
Ops overlay_matmul_avx512_bf16(Ops table);
Ops overlay_matmul_amx(Ops table);
Ops overlay_matmul_neon(Ops table);
Ops overlay_matmul_neon_dot(Ops table);   // over overlay_matmul_neon
Ops overlay_matmul_neon_i8mm(Ops table);  // likewise

}  // namespace octavo::cpu
