#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "base/memory.h"
#include "model/forward.h"
#include "model/model.h"

namespace octavo::quant {

using Samples = std::span<const std::vector<TokenId>>;

// Calibration samples [begin, end): whole sequences, their rows one after another.
struct SampleRange {
  size_t begin = 0, end = 0;
  int64_t first_row = 0, rows = 0;  // of all samples' rows
};

int64_t row_count(Samples samples);
// Ranges of whole samples with at most `max_rows` rows each, but at least one sample.
std::vector<SampleRange> split_samples(Samples samples, int64_t max_rows);

// Walks parts of a model over ranges of samples, each sample from its first token, with cache and
// workspace for the largest range. Rows of a sample are the same whatever range it comes in.
class LayerWalk {
 public:
  LayerWalk(Queue& queue, Samples samples) : queue_(queue), samples_(samples) {}

  // x [range.rows, hidden] = the embedded tokens. `model` holds its embedding.
  void embed(const Model& model, const SampleRange& range, Mat x);
  // x = layer(x). `model` holds this layer.
  void layer(const Model& model, int64_t layer, const SampleRange& range, Mat x,
             const Tap* tap = nullptr);
  // out = one block of a layer.
  void block(const Model& model, int64_t layer, Block block, const SampleRange& range, ConstMat in,
             Mat out);
  // y = the head's input. `model` holds its head.
  void head_input(const Model& model, const SampleRange& range, Mat x, Mat y);

  // Bytes that a range of so many rows takes beside its rows.
  static size_t bytes(const Model& model, int64_t layer, int64_t rows);

 private:
  void prepare(const SampleRange& range);
  Walk walk(const Model& model, int64_t layer, int64_t rows, const Tap* tap);
  Batch batch() const;

  Queue& queue_;
  Samples samples_;
  SampleRange range_;
  std::vector<TokenId> tokens_;
  std::vector<int32_t> positions_, row_begin_, lengths_, table_;
  Batch batch_;
  int64_t blocks_ = 0;
  HugeBuffer cache_;
  std::vector<KvLayer> kv_;
  std::unique_ptr<Workspace> workspace_;
};

}  // namespace octavo::quant
