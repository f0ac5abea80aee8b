#include "cpu/write_kv.h"

#include "base/half.h"
#include "cpu/kv_layout.h"
#include "ops/kv_codes.h"
#include "ops/reference/reference.h"

namespace octavo::cpu {
namespace {

// Scattered stores of 1 to 4 bytes: one token touches head_dim / P lines of its keys, which stay in
// L2 for its neighbours.
struct AsFloat {
  using Stored = float;
  float key(float x) const { return x; }
  float value(float x) const { return x; }
};
struct AsBf16 {
  using Stored = BFloat16;
  BFloat16 key(float x) const { return to_bfloat16(x); }
  BFloat16 value(float x) const { return to_bfloat16(x); }
};
struct AsE4m3 {
  using Stored = uint8_t;
  uint8_t key(float x) const { return to_float8_e4m3(x); }
  uint8_t value(float x) const { return to_float8_e4m3(x); }
};
struct AsE5m2 {
  using Stored = uint8_t;
  uint8_t key(float x) const { return to_float8_e5m2(x); }
  uint8_t value(float x) const { return to_float8_e5m2(x); }
};
struct AsInt8 {
  using Stored = uint8_t;
  float key_inverse, value_inverse;
  uint8_t key(float x) const {
    return static_cast<uint8_t>(kv_code(x, key_inverse) + int{kKeyOffset});
  }
  uint8_t value(float x) const { return static_cast<uint8_t>(kv_code(x, value_inverse)); }
};

// Where a token of one kv head goes.
struct Place {
  const KvLayout& layout;
  std::byte *keys, *values;  // of its unit
  std::byte *key_scale, *value_scale;
  int64_t token;  // of the unit
};

template <class Codec>
void put(const Place& p, std::span<const float> k, std::span<const float> v, const Codec& codec) {
  using Stored = typename Codec::Stored;
  auto* const keys = reinterpret_cast<Stored*>(p.keys);
  auto* const values = reinterpret_cast<Stored*>(p.values);
  for (int64_t i = 0; i < p.layout.head_dim; ++i) {
    keys[p.layout.key(p.token, i)] = codec.key(k[i]);
    values[p.layout.value(p.token, i)] = codec.value(v[i]);
  }
}

void put_int8(const Place& p, std::span<const float> k, std::span<const float> v) {
  const BFloat16 key_scale = kv_scale(k), value_scale = kv_scale(v);
  *reinterpret_cast<BFloat16*>(p.key_scale) = key_scale;
  *reinterpret_cast<BFloat16*>(p.value_scale) = value_scale;
  put(p, k, v, AsInt8{kv_inverse(key_scale), kv_inverse(value_scale)});
}

void write_token(DType dtype, const Place& p, std::span<const float> k, std::span<const float> v) {
  switch (dtype) {
    case DType::bf16:
      return put(p, k, v, AsBf16{});
    case DType::i8:
      return put_int8(p, k, v);
    case DType::f8_e4m3:
      return put(p, k, v, AsE4m3{});
    case DType::f8_e5m2:
      return put(p, k, v, AsE5m2{});
    default:
      return put(p, k, v, AsFloat{});
  }
}

}  // namespace

void write_kv_rows(const KvWrite& w, int64_t begin, int64_t end) noexcept {
  const KvShape& shape = w.kv.shape;
  const KvLayout layout(shape);
  const auto e = static_cast<size_t>(shape.head_dim);
  for (int64_t n = begin; n < end; ++n) {
    const int64_t block = w.slots[n] / shape.block_tokens, token = w.slots[n] % shape.block_tokens;
    for (int64_t g = 0; g < shape.kv_heads; ++g) {
      const int64_t head = (block * shape.kv_heads + g) * layout.head_bytes;
      const int64_t unit = head + token / kUnitTokens * layout.unit_bytes;
      const int64_t scale = head + layout.scales_at + token * 2;
      write_token(shape.dtype,
                  {.layout = layout,
                   .keys = w.kv.k + unit,
                   .values = w.kv.v + unit,
                   .key_scale = w.kv.k + scale,
                   .value_scale = w.kv.v + scale,
                   .token = token % kUnitTokens},
                  {w.k.at(n, g), e}, {w.v.at(n, g), e});
    }
  }
}

void write_kv(Queue& queue, ConstHeads k, ConstHeads v, std::span<const int32_t> slots,
              const KvLayer& kv) noexcept {
  if (!has_layout(kv.shape)) return reference::write_kv(queue, k, v, slots, kv);
  // A unit of rows a worker: neighbours share cache lines.
  queue.pool().split(static_cast<int64_t>(slots.size()), kUnitTokens,
                     [&](int64_t begin, int64_t end, int) {
                       write_kv_rows({k, v, slots, kv}, begin, end);
                     });
}

}  // namespace octavo::cpu
