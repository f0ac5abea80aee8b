#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "io/checkpoint.h"

namespace octavo {

// Scales beside a matrix whose elements are 8 bits wide (fp8, int8): element (r, k) times
// scale(r / block_rows, k / block_cols). One for the matrix, one a row, one a block (128 × 128 in
// DeepSeek's files) and one a group of inputs are the same thing with other blocks.
class ElementScales {
 public:
  // The block that config.json names; 0 where it names none.
  struct Block {
    int64_t rows = 0, cols = 0;
  };

  // NAME.weight_scale_inv or NAME.weight_scale of the matrix NAME [out, in]; empty where there is
  // neither. (Both hold what the element is to be multiplied with.) Throws Error naming the tensor
  // when its shape fits no blocks.
  static std::optional<ElementScales> find(const Checkpoint& checkpoint, const std::string& name,
                                           int64_t out, int64_t in, const Block& block);

  // values [end - begin, in] are rows [begin, end) of the matrix.
  void apply(int64_t begin, int64_t end, std::span<float> values) const;

  // The name of the tensor that holds them.
  const std::string& tensor() const { return tensor_; }

 private:
  std::string tensor_;
  std::vector<float> scales_;  // [ceil(out / block_rows), ceil(in / block_cols)]
  int64_t in_ = 0, block_rows_ = 1, block_cols_ = 1;
};

}  // namespace octavo
