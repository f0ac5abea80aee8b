#pragma once

#include <cstddef>
#include <cstdint>

#include "tensor/dtype.h"
#include "tensor/view.h"

namespace octavo {

// Keys and values of one layer in paged blocks. A token of a sequence lives in slot
// block · block_tokens + offset; the order of bytes inside a block is the kernel table's
// (`KvShape::block_bytes`).
struct KvShape {
  int64_t kv_heads = 0, head_dim = 0;
  int64_t block_tokens = 32;
  DType dtype = DType::f32;  // f32 or bf16

  // Bytes of the keys (or of the values) of one block of one layer, in every table.
  int64_t block_bytes() const { return kv_heads * head_dim * block_tokens * size_bytes(dtype); }
  bool operator==(const KvShape&) const = default;
};

struct KvLayer {
  KvShape shape;
  std::byte* k = nullptr;  // [blocks] of block_bytes
  std::byte* v = nullptr;
};

}  // namespace octavo
