#include "cpu/write_kv.h"

#include "base/half.h"
#include "cpu/kv_layout.h"
#include "ops/reference/reference.h"

namespace octavo::cpu {
namespace {

inline void put(float* to, float value) { *to = value; }
inline void put(BFloat16* to, float value) { *to = to_bfloat16(value); }

// Scattered 2- and 4-byte stores: one token touches head_dim / 2 lines of its keys, which stay in
// L2 for its neighbours.
template <class T>
void write_token(const KvLayout& layout, int64_t token, std::span<const float> k,
                 std::span<const float> v, T* keys, T* values) {
  for (int64_t i = 0; i < layout.head_dim; ++i) {
    put(keys + layout.key(token, i), k[i]);
    put(values + layout.value(token, i), v[i]);
  }
}

template <class T>
void write_rows(ConstHeads k, ConstHeads v, std::span<const int32_t> slots, const KvLayer& kv,
                int64_t begin, int64_t end) {
  const KvLayout layout(kv.shape);
  const int64_t e = kv.shape.head_dim, head_elements = e * kBlockTokens;
  for (int64_t n = begin; n < end; ++n) {
    const int64_t block = slots[n] / kBlockTokens, token = slots[n] % kBlockTokens;
    for (int64_t g = 0; g < kv.shape.kv_heads; ++g) {
      const int64_t base = (block * kv.shape.kv_heads + g) * head_elements;
      write_token(layout, token, {k.at(n, g), static_cast<size_t>(e)},
                  {v.at(n, g), static_cast<size_t>(e)}, reinterpret_cast<T*>(kv.k) + base,
                  reinterpret_cast<T*>(kv.v) + base);
    }
  }
}

}  // namespace

void write_kv(Queue& queue, ConstHeads k, ConstHeads v, std::span<const int32_t> slots,
              const KvLayer& kv) noexcept {
  if (!has_layout(kv.shape)) return reference::write_kv(queue, k, v, slots, kv);
  // A block of rows a worker: neighbours share cache lines.
  queue.pool().split(static_cast<int64_t>(slots.size()), kBlockTokens,
                     [&](int64_t begin, int64_t end, int) {
                       if (kv.shape.dtype == DType::bf16) {
                         write_rows<BFloat16>(k, v, slots, kv, begin, end);
                       } else {
                         write_rows<float>(k, v, slots, kv, begin, end);
                       }
                     });
}

}  // namespace octavo::cpu
