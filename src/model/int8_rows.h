#pragma once

#include <cstddef>
#include <vector>

#include "tensor/weight.h"

namespace octavo {

// The format that a dense matrix of `in` inputs is rounded to: 8-bit codes in groups of 128 inputs.
Format int8_rows_format(int64_t in);

// Rounds dense rows to 8-bit codes, symmetric by groups: the code is 128 plus the nearest whole
// multiple, -127 to 127, of largest / 127.
class Int8Rows {
 public:
  // The rows of a dense matrix (rows packing, any float dtype) in int8_rows_format. The result
  // borrows from this object until the next call.
  const Weight& round(const Weight& dense);

 private:
  std::vector<std::byte> codes_, scales_, zeros_;
  std::vector<float> row_;
  Weight rounded_;
};

}  // namespace octavo
