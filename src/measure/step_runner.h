#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/memory.h"
#include "model/forward.h"
#include "model/model.h"
#include "tensor/workspace.h"

namespace octavo::measure {

// Single steps of a model, without an engine: sequences of random tokens in caches of their own.
class StepRunner {
 public:
  // Room for `sequences` of `max_tokens` and steps of `max_rows` rows. Throws Error when there is
  // no such memory.
  StepRunner(const Model& model, int64_t sequences, int64_t max_tokens, int64_t max_rows);

  // Runs each sequence's tokens [first, first + rows) in one step with the logits of its last row.
  // What lies in the cache before is taken as it is. REQUIRES: the step fits.
  void step(Queue& queue, int64_t sequences, int64_t first, int64_t rows);

  std::span<const KvLayer> layers() const { return kv_; }
  size_t cache_bytes() const { return cache_.size_bytes(); }
  size_t workspace_bytes() const { return workspace_.size_bytes(); }

 private:
  const Model& model_;
  int64_t blocks_;  // of a sequence
  HugeBuffer cache_, logits_;
  std::vector<KvLayer> kv_;
  Workspace workspace_;
  std::vector<TokenId> tokens_;
  std::vector<int32_t> positions_, row_begin_, kv_tokens_, prompt_tokens_, table_, logits_rows_;
};

}  // namespace octavo::measure
