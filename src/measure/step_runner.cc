#include "measure/step_runner.h"

#include <numeric>

#include "base/check.h"

namespace octavo::measure {
namespace {

constexpr int64_t kBlockTokens = 32;

size_t cache_size(const Model& model, int64_t blocks) {
  size_t bytes = 0;
  for (size_t layer = 0; layer < model.layers.size(); ++layer) {
    const KvShape shape = model.kv_shape(static_cast<int64_t>(layer), kBlockTokens);
    bytes += 2 * static_cast<size_t>(shape.block_bytes() * blocks);
  }
  return bytes;
}

}  // namespace

StepRunner::StepRunner(const Model& model, int64_t sequences, int64_t max_tokens, int64_t max_rows)
    : model_(model),
      blocks_((max_tokens + kBlockTokens - 1) / kBlockTokens),
      cache_(cache_size(model, sequences * blocks_)),
      logits_(sizeof(float) * static_cast<size_t>(sequences * model.spec.vocab)),
      workspace_(octavo::workspace_bytes(model, max_rows)),
      table_(static_cast<size_t>(sequences * blocks_)) {
  std::byte* at = cache_.data();
  for (size_t layer = 0; layer < model.layers.size(); ++layer) {
    const KvShape shape = model.kv_shape(static_cast<int64_t>(layer), kBlockTokens);
    const int64_t bytes = shape.block_bytes() * sequences * blocks_;
    kv_.push_back({.shape = shape, .k = at, .v = at + bytes});
    at += 2 * bytes;
  }
  std::iota(table_.begin(), table_.end(), 0);
}

void StepRunner::step(Queue& queue, int64_t sequences, int64_t first, int64_t rows) {
  OCTAVO_CHECK(first + rows <= blocks_ * kBlockTokens);
  tokens_.clear(), positions_.clear(), logits_rows_.clear();
  row_begin_.assign(1, 0);
  for (int64_t s = 0; s < sequences; ++s) {
    for (int64_t i = 0; i < rows; ++i) {
      const int64_t position = first + i;
      tokens_.push_back(static_cast<TokenId>((position * 7919 + s * 104729) % model_.spec.vocab));
      positions_.push_back(static_cast<int32_t>(position));
    }
    row_begin_.push_back(static_cast<int32_t>(tokens_.size()));
    logits_rows_.push_back(static_cast<int32_t>(tokens_.size()) - 1);
  }
  kv_tokens_.assign(static_cast<size_t>(sequences), static_cast<int32_t>(first + rows));
  prompt_tokens_ = kv_tokens_;
  const Batch batch{.tokens = tokens_,
                    .positions = positions_,
                    .row_begin = row_begin_,
                    .kv_tokens = kv_tokens_,
                    .prompt_tokens = prompt_tokens_,
                    .block_table = View<const int32_t, 2>(table_.data(), {sequences, blocks_}),
                    .logits_rows = logits_rows_};
  const Mat logits(reinterpret_cast<float*>(logits_.data()), {sequences, model_.spec.vocab});
  forward(model_, queue, batch, kv_, workspace_, logits);
}

}  // namespace octavo::measure
