#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/sequence.h"
#include "model/forward.h"

namespace octavo {

struct BatchLimits {
  int64_t max_tokens = 0, max_seqs = 0, max_logits = 0;
  int64_t max_blocks = 0;  // of one sequence
};

// A row of the step's logits: what it predicts is the token after `position`.
struct LogitsRow {
  Sequence* sequence = nullptr;
  int64_t position = 0;
};

// Puts the rows of a step together. All arrays are allocated once, for the largest step.
class BatchBuilder {
 public:
  explicit BatchBuilder(const BatchLimits& limits);

  void clear();
  // The next `rows` tokens of the sequence. REQUIRES: its table holds them; the sums of a step stay
  // in the limits.
  void add(Sequence& sequence, int64_t rows);
  int64_t rows() const { return static_cast<int64_t>(tokens_.size()); }
  // What the rows of the logits stand for, in their order.
  std::span<const LogitsRow> logits() const { return logits_; }
  // Valid until the next clear() or add().
  Batch batch() const;

 private:
  BatchLimits limits_;
  std::vector<TokenId> tokens_;
  std::vector<int32_t> positions_, row_begin_, kv_tokens_, prompt_tokens_, logits_rows_;
  std::vector<LogitsRow> logits_;
  std::vector<int32_t> block_table_;  // [max_seqs, max_blocks]
  int64_t widest_ = 0;                // blocks of the longest sequence of the step
};

}  // namespace octavo
