#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "octavo/evaluate.h"
#include "octavo/recipe.h"
#include "octavo/tokens.h"

namespace octavo {

class ThreadPool;
struct Ops;

// What became of one matrix. Errors of outputs are shares of the output on the calibration data,
// ‖(W - Ŵ) X‖² / ‖W X‖², and below 0 where nobody measured them.
struct MatrixReport {
  std::string name = {};
  int64_t layer = -1;  // -1: the head
  int64_t out = 0, in = 0;
  int bits = 0;  // 0: kept dense
  int64_t group_size = 0;
  double relative_error = 0;   // ‖W - Ŵ‖ / ‖W‖
  double largest_error = 0;    // max |w - ŵ|
  double output_error = -1;    // as made
  double rounding_error = -1;  // of plain rounding to nearest in its place
  float damp = 0;              // GPTQ: the share of mean diag(H) that was needed
  bool fell_back = false;      // rounded to nearest, since its method could not be used
  std::vector<int64_t> clipped =
      {};  // AWQ: groups whose limit became 1 - i/20 of their largest weight
  struct Outlier {
    int64_t channel = 0;
    double ratio = 0;  // its mean |x| over the median channel's
  };
  std::vector<Outlier> outliers = {};  // the largest input channels, falling
};

// AWQ: one norm or matrix whose outputs were scaled, for the matrices that read it.
struct ScaleReport {
  std::string from = {}, to = {};  // "model.layers.0.input_layernorm", "q, k, v"
  double ratio = 0;                // exponent of the activations' share
  double loss = 0, loss_one = 0;   // with these scales, and with none
  std::vector<float> scales = {};
};

struct LayerReport {
  int64_t layer = 0;
  double output_error = -1;    // mean square of the change, over that of the layer's own update
  double rounding_error = -1;  // of plain rounding in its place
  double seconds = 0;
};

struct QuantizeReport {
  std::vector<MatrixReport> matrices = {};
  std::vector<LayerReport> layers = {};
  std::vector<ScaleReport> scales = {};
  uint64_t bytes_before = 0, bytes_after = 0;
  uint64_t peak_bytes = 0;  // of memory; 0: not measured
  double seconds = 0;
  std::string calibration = {};  // where its text came from; empty: none was used
  int64_t samples = 0, tokens = 0;
  std::vector<std::string> notes = {};        // what a user should know, one sentence each
  std::optional<Perplexity> evaluation = {};  // against the original, where asked for
};

struct QuantizeProgress {
  // What is being done, and how many of all layers are through. May be empty.
  std::function<void(const std::string& what, int64_t done, int64_t all)> report;
};

struct QuantizeJob {
  std::filesystem::path model;  // full precision, a directory
  std::filesystem::path out;    // appears when it is whole
  Recipe recipe = {};
  // Token ids that the model is run on; empty where the method needs none.
  std::vector<std::vector<TokenId>> samples = {};
  std::string calibration = {};  // where they came from, for the report
  bool resume = false;           // go on with what an interrupted run of the same job left
  uint64_t memory_bytes = 0;  // for activations and what is derived from them; 0: half of the free
  uint64_t shard_bytes = uint64_t{4} << 30;
};

// Quantizes a checkpoint, a layer at a time from disk to disk: memory for about one layer and
// `memory_bytes`, whatever the model's size; the same bytes for any number of threads and every
// table of one machine family. Beside `out`, as OUT.tmp-quantize, lies what is done so far: killed
// at any moment, the job goes on there with `resume` and ends in the same bytes. `out` holds
// weights, config, tokenizer files, quantization_report.json and .html. Throws Error before any
// work for a recipe that does not fit the model, naming the nearest one that does.
QuantizeReport quantize(const QuantizeJob& job, const Ops& ops, ThreadPool& pool,
                        const QuantizeProgress& progress = {});

}  // namespace octavo
