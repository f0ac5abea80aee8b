#include "io/element_scales.h"

#include "octavo/error.h"
#include "tensor/convert.h"

namespace octavo {
namespace {

constexpr int64_t kUsualBlock = 128;  // DeepSeek-V3's, where config.json does not say

// How many neighbours along an axis of `extent` share one of `scales`; 0 where that is unclear.
int64_t block_of(int64_t extent, int64_t scales, int64_t said) {
  if (scales == 1) return extent;
  if (scales == extent) return 1;
  for (const int64_t block : {said, kUsualBlock, scales > 0 ? extent / scales : 0}) {
    if (block > 0 && (extent + block - 1) / block == scales) return block;
  }
  return 0;
}

}  // namespace

std::optional<ElementScales> ElementScales::find(const Checkpoint& checkpoint,
                                                 const std::string& name, int64_t out, int64_t in,
                                                 const Block& block) {
  const TensorEntry* entry = checkpoint.find(name + ".weight_scale_inv");
  if (entry == nullptr) entry = checkpoint.find(name + ".weight_scale");
  if (entry == nullptr) return std::nullopt;
  // [] and [1] are one for all, [out] and [out, 1] one a row.
  std::vector<int64_t> shape = entry->shape;
  shape.resize(std::max<size_t>(shape.size(), 2), 1);
  ElementScales scales;
  scales.tensor_ = entry->name;
  scales.in_ = in;
  scales.block_rows_ = block_of(out, shape[0], block.rows);
  scales.block_cols_ = block_of(in, shape[1], block.cols);
  if (shape.size() != 2 || scales.block_rows_ == 0 || scales.block_cols_ == 0) {
    throw Error("scales that fit no blocks of a matrix [" + std::to_string(out) + ", " +
                    std::to_string(in) + "]",
                checkpoint.where(entry->name), "check weight_block_size in config.json");
  }
  scales.scales_.resize(static_cast<size_t>(entry->elements()));
  to_floats(entry->dtype, checkpoint.read_all(*entry), scales.scales_);
  return scales;
}

void ElementScales::apply(int64_t begin, int64_t end, std::span<float> values) const {
  const int64_t per_row = (in_ + block_cols_ - 1) / block_cols_;
  for (int64_t r = begin; r < end; ++r) {
    const float* scales = scales_.data() + r / block_rows_ * per_row;
    float* row = values.data() + (r - begin) * in_;
    for (int64_t k = 0; k < in_; ++k) row[k] *= scales[k / block_cols_];
  }
}

}  // namespace octavo
