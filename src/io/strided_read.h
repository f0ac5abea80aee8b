#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "io/safetensors.h"

namespace octavo {

// Fills `out` with the bytes of a tensor from byte `offset` in the order of its shape, where its
// elements lie `strides` apart in the file (a transposed matrix, a slice of another tensor).
// REQUIRES: offset and out.size() are whole elements within the tensor; it has strides.
void read_strided(const File& file, const TensorEntry& entry, uint64_t offset,
                  std::span<std::byte> out);

}  // namespace octavo
