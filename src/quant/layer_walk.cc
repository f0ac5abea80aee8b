#include "quant/layer_walk.h"

#include <algorithm>

namespace octavo::quant {
namespace {

constexpr int64_t kBlockTokens = 32;

}  // namespace

int64_t row_count(Samples samples) {
  int64_t rows = 0;
  for (const auto& sample : samples) rows += static_cast<int64_t>(sample.size());
  return rows;
}

std::vector<SampleRange> split_samples(Samples samples, int64_t max_rows) {
  std::vector<SampleRange> ranges;
  for (size_t s = 0; s < samples.size(); ++s) {
    const auto rows = static_cast<int64_t>(samples[s].size());
    if (ranges.empty() || ranges.back().rows + rows > max_rows) {
      const int64_t first = ranges.empty() ? 0 : ranges.back().first_row + ranges.back().rows;
      ranges.push_back({.begin = s, .end = s, .first_row = first, .rows = 0});
    }
    ranges.back().end = s + 1;
    ranges.back().rows += rows;
  }
  return ranges;
}

void LayerWalk::prepare(const SampleRange& range) {
  if (range.begin == range_.begin && range.end == range_.end) return;
  range_ = range;
  tokens_.clear(), positions_.clear(), lengths_.clear(), table_.clear();
  row_begin_.assign(1, 0);
  int64_t widest = 0;
  for (size_t s = range.begin; s < range.end; ++s) {
    const auto length = static_cast<int32_t>(samples_[s].size());
    tokens_.insert(tokens_.end(), samples_[s].begin(), samples_[s].end());
    for (int32_t p = 0; p < length; ++p) positions_.push_back(p);
    row_begin_.push_back(row_begin_.back() + length);
    lengths_.push_back(length);
    widest = std::max<int64_t>(widest, (length + kBlockTokens - 1) / kBlockTokens);
  }
  blocks_ = 0;
  for (size_t s = range.begin; s < range.end; ++s) {
    const int64_t used =
        (static_cast<int64_t>(samples_[s].size()) + kBlockTokens - 1) / kBlockTokens;
    for (int64_t b = 0; b < widest; ++b)
      table_.push_back(static_cast<int32_t>(b < used ? blocks_ + b : 0));
    blocks_ += used;
  }
  const auto count = static_cast<int64_t>(lengths_.size());
  batch_ = {.tokens = tokens_,
            .positions = positions_,
            .row_begin = row_begin_,
            .kv_tokens = lengths_,
            .prompt_tokens = lengths_,
            .block_table = View<const int32_t, 2>(table_.data(), {count, widest}),
            .logits_rows = {}};
}

Walk LayerWalk::walk(const Model& model, int64_t layer, int64_t rows, const Tap* tap) {
  if (layer >= 0) {
    const KvShape shape = model.kv_shape(layer, kBlockTokens);
    const size_t plane = static_cast<size_t>(shape.block_bytes() * blocks_);
    if (cache_.size_bytes() < 2 * plane) cache_ = HugeBuffer(2 * plane);
    kv_.assign(model.layers.size(), {});
    kv_.front().shape = shape;  // of which the walk reads the size of blocks
    kv_[static_cast<size_t>(layer)] = {
        .shape = shape, .k = cache_.data(), .v = cache_.data() + plane};
  } else {
    kv_.clear();
  }
  const size_t bytes = workspace_bytes(model, rows);
  if (workspace_ == nullptr || workspace_->size_bytes() < bytes) {
    workspace_.reset();
    workspace_ = std::make_unique<Workspace>(bytes);
  }
  return {model, queue_, batch_, kv_, *workspace_, tap};
}

void LayerWalk::embed(const Model& model, const SampleRange& range, Mat x) {
  prepare(range);
  forward_embedding(walk(model, -1, range.rows, nullptr), x);
}

void LayerWalk::layer(const Model& model, int64_t layer, const SampleRange& range, Mat x,
                      const Tap* tap) {
  prepare(range);
  forward_layer(walk(model, layer, range.rows, tap), layer, x);
}

void LayerWalk::block(const Model& model, int64_t layer, Block block, const SampleRange& range,
                      ConstMat in, Mat out) {
  prepare(range);
  forward_block(walk(model, layer, range.rows, nullptr), layer, block, in, out);
}

void LayerWalk::head_input(const Model& model, const SampleRange& range, Mat x, Mat y) {
  prepare(range);
  forward_head_input(walk(model, -1, range.rows, nullptr), x, y);
}

size_t LayerWalk::bytes(const Model& model, int64_t layer, int64_t rows) {
  const int64_t blocks = (rows + kBlockTokens - 1) / kBlockTokens;
  return workspace_bytes(model, rows) +
         static_cast<size_t>(2 * model.kv_shape(layer, kBlockTokens).block_bytes() * blocks);
}

}  // namespace octavo::quant
