#include "model/session.h"

#include <algorithm>
#include <numeric>

namespace octavo {
namespace {

constexpr int64_t kBlockTokens = 32;

size_t cache_bytes(const Model& model, int64_t blocks) {
  size_t bytes = 0;
  for (size_t layer = 0; layer < model.layers.size(); ++layer)
    bytes += 2 * model.kv_shape(static_cast<int64_t>(layer), kBlockTokens).block_bytes() * blocks;
  return bytes;
}

}  // namespace

Session::Session(const Model& model, ThreadPool& pool, int64_t max_tokens, int64_t rows_a_step)
    : model_(model),
      queue_(pool),
      rows_a_step_(std::min(rows_a_step, max_tokens)),
      workspace_(workspace_bytes(model, rows_a_step_)),
      logits_(sizeof(float) * rows_a_step_ * model.spec.vocab) {
  const int64_t blocks = (max_tokens + kBlockTokens - 1) / kBlockTokens;
  cache_ = HugeBuffer(cache_bytes(model, blocks));
  std::byte* at = cache_.data();
  for (size_t layer = 0; layer < model.layers.size(); ++layer) {
    const KvShape shape = model.kv_shape(static_cast<int64_t>(layer), kBlockTokens);
    const int64_t bytes = shape.block_bytes() * blocks;
    kv_.push_back({.shape = shape, .k = at, .v = at + bytes});
    at += 2 * bytes;
  }
  table_.resize(blocks);
  positions_.resize(max_tokens);
  rows_.resize(rows_a_step_);
  std::iota(table_.begin(), table_.end(), 0);
  std::iota(positions_.begin(), positions_.end(), 0);
  std::iota(rows_.begin(), rows_.end(), 0);
}

void Session::run(std::span<const TokenId> ids, FunctionRef<void(int64_t, Mat)> each,
                  const Tap* tap) {
  const auto all = static_cast<int64_t>(ids.size());
  OCTAVO_CHECK(all > 0 && all <= static_cast<int64_t>(positions_.size()));
  const auto prompt = static_cast<int32_t>(all);
  for (int64_t first = 0; first < all; first += rows_a_step_) {
    const int64_t n = std::min(rows_a_step_, all - first);
    const int32_t row_begin[] = {0, static_cast<int32_t>(n)};
    const auto in_cache = static_cast<int32_t>(first + n);
    const Batch batch{.tokens = ids.subspan(first, n),
                      .positions = std::span(positions_).subspan(first, n),
                      .row_begin = row_begin,
                      .kv_tokens = {&in_cache, 1},
                      .prompt_tokens = {&prompt, 1},
                      .block_table = View<const int32_t, 2>(
                          table_.data(), {1, static_cast<int64_t>(table_.size())}),
                      .logits_rows = std::span(rows_).first(n)};
    const Mat logits(reinterpret_cast<float*>(logits_.data()), {n, model_.spec.vocab});
    forward(model_, queue_, batch, kv_, workspace_, logits, tap);
    each(first, logits);
  }
}

}  // namespace octavo
