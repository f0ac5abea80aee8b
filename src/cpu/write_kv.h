#pragma once

#include "ops/ops.h"

namespace octavo::cpu {

// Ops::write_kv into the layout of kv_layout.h; heads that it does not take go to the reference.
void write_kv(Queue& queue, ConstHeads k, ConstHeads v, std::span<const int32_t> slots,
              const KvLayer& kv) noexcept;

}  // namespace octavo::cpu
