#pragma once

#include <cstddef>
#include <cstdint>

#include "tensor/dtype.h"
#include "tensor/view.h"

namespace octavo {

// Keys and values of one layer in paged blocks. A token of a sequence lives in slot
// block · block_tokens + offset; the order of bytes inside a block is the kernel table's
// (`KvShape::block_bytes`). Codes of 8 bits: see ops/kv_codes.h.
struct KvShape {
  int64_t kv_heads = 0, head_dim = 0;
  int64_t block_tokens = 32;
  DType dtype = DType::f32;  // f32, bf16, i8 (a scale for each token and head), f8_e4m3, f8_e5m2

  // Bytes of one head's key (or value) of one token, its scale included.
  int64_t token_bytes() const { return kv_token_bytes(head_dim, dtype); }
  // Bytes of the keys (or of the values) of one block of one layer, in every table.
  int64_t block_bytes() const { return kv_heads * block_tokens * token_bytes(); }
  bool operator==(const KvShape&) const = default;

  static int64_t kv_token_bytes(int64_t head_dim, DType dtype) {
    constexpr int64_t kScaleBytes = 2;
    return head_dim * size_bytes(dtype) + (dtype == DType::i8 ? kScaleBytes : 0);
  }
};

struct KvLayer {
  KvShape shape;
  std::byte* k = nullptr;  // [blocks] of block_bytes
  std::byte* v = nullptr;
};

}  // namespace octavo
