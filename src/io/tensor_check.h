#pragma once

#include <initializer_list>
#include <vector>

#include "io/checkpoint.h"

namespace octavo {

// Throws Error naming the tensor unless it has this shape and one of these types (any where the
// list is empty).
void expect_tensor(const Checkpoint& checkpoint, const TensorEntry& entry,
                   const std::vector<int64_t>& shape, std::initializer_list<DType> types);

}  // namespace octavo
