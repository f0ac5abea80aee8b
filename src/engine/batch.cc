#include "engine/batch.h"

#include <algorithm>

#include "base/check.h"

namespace octavo {

BatchBuilder::BatchBuilder(const BatchLimits& limits)
    : limits_(limits), block_table_(limits.max_seqs * limits.max_blocks, 0) {
  tokens_.reserve(limits.max_tokens);
  positions_.reserve(limits.max_tokens);
  row_begin_.reserve(limits.max_seqs + 1);
  kv_tokens_.reserve(limits.max_seqs);
  prompt_tokens_.reserve(limits.max_seqs);
  logits_rows_.reserve(limits.max_logits);
  logits_.reserve(limits.max_logits);
  clear();
}

void BatchBuilder::clear() {
  tokens_.clear();
  positions_.clear();
  row_begin_.assign(1, 0);
  kv_tokens_.clear();
  prompt_tokens_.clear();
  logits_rows_.clear();
  logits_.clear();
  widest_ = 0;
}

void BatchBuilder::add(Sequence& sequence, int64_t rows) {
  const int64_t begin = sequence.computed, end = begin + rows;
  const auto slot = static_cast<int64_t>(kv_tokens_.size());
  const std::vector<BlockId>& blocks = sequence.table.blocks;
  const auto width = static_cast<int64_t>(blocks.size());
  OCTAVO_CHECK(rows > 0 && end <= sequence.length() && slot < limits_.max_seqs &&
               this->rows() + rows <= limits_.max_tokens && width <= limits_.max_blocks);
  for (int64_t position = begin; position < end; ++position) {
    const bool last = position + 1 == sequence.length();
    const bool scored = sequence.scores_prompt() && position >= sequence.scored &&
                        position + 1 < sequence.prompt_length();
    if (last || scored) {
      logits_rows_.push_back(static_cast<int32_t>(this->rows()));
      logits_.push_back({&sequence, position});
    }
    tokens_.push_back(sequence.tokens()[position]);
    positions_.push_back(static_cast<int32_t>(position));
  }
  OCTAVO_CHECK(static_cast<int64_t>(logits_.size()) <= limits_.max_logits);
  row_begin_.push_back(static_cast<int32_t>(this->rows()));
  kv_tokens_.push_back(static_cast<int32_t>(end));
  prompt_tokens_.push_back(static_cast<int32_t>(sequence.prompt_length()));
  std::ranges::copy(blocks, block_table_.begin() + slot * limits_.max_blocks);
  widest_ = std::max(widest_, width);
}

Batch BatchBuilder::batch() const {
  const auto seqs = static_cast<int64_t>(kv_tokens_.size());
  return {.tokens = tokens_,
          .positions = positions_,
          .row_begin = row_begin_,
          .kv_tokens = kv_tokens_,
          .prompt_tokens = prompt_tokens_,
          .block_table =
              View<const int32_t, 2>(block_table_.data(), {seqs, widest_}, {limits_.max_blocks, 1}),
          .logits_rows = logits_rows_};
}

}  // namespace octavo
