#pragma once

#include "ops/ops.h"

namespace octavo::cpu {

// Ops::write_kv into the layout of kv_layout.h; caches that it does not take go to the reference.
void write_kv(Queue& queue, ConstHeads k, ConstHeads v, std::span<const int32_t> slots,
              const KvLayer& kv) noexcept;

// Its work for rows [begin, end), by the calling thread. REQUIRES: has_layout(kv.shape).
struct KvWrite {
  ConstHeads k, v;
  std::span<const int32_t> slots;
  const KvLayer& kv;
};
void write_kv_rows(const KvWrite& write, int64_t begin, int64_t end) noexcept;

}  // namespace octavo::cpu
