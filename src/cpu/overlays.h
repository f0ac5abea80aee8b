#pragma once

#include "ops/ops.h"

// Everything but the products, per ISA: `table` with the entries that the ISA does better. One file
// each, whose target region holds the shared loops of *.inl.h.
namespace octavo::cpu {

namespace avx2 {
Ops overlay(Ops table);
}
namespace avx512 {
Ops overlay(Ops table);
}
namespace avx512_bf16 {
Ops overlay(Ops table);  // attention over bf16 keys and values
}

namespace neon {
Ops overlay(Ops table);
}

}  // namespace octavo::cpu
