#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "octavo/quantize.h"
#include "quant/journal.h"
#include "quant/layer_walk.h"
#include "quant/layer_work.h"
#include "quant/plan.h"
#include "quant/states.h"

namespace octavo::quant {

// What a method works with on one layer, and what it gives.
struct LayerJob {
  Queue& queue;
  const Ops& ops;
  const Recipe& recipe;
  const Plan& plan;
  Samples samples;
  std::span<const SampleRange> ranges;  // all samples; one range where all fit at once
  LayerWalk& walk;
  LayerWork& work;
  States* states;  // before the layer; advance() is the caller's. Null: the method needs none

  // Filled by the method:
  std::map<std::string, QuantizedMatrix> matrices = {};  // by name, those that are not dense
  LayerOutcome report = {};

  ThreadPool& pool() { return queue.pool(); }
  const MatrixPlan& plan_of(const StoredMatrix& matrix) const { return *plan.find(matrix.name); }
};

// Matrices of a layer that multiply the same input: {q, k, v}, {o}, {gate, up}, {down}.
struct InputSet {
  Role first = Role::q;  // the one that the walk reports first
  int64_t in = 0;
  std::vector<StoredMatrix*> matrices;
};
std::vector<InputSet> input_sets(LayerWork& work);

// Fills in what a report says of the matrix itself. `values`: as it was.
void describe(ThreadPool& pool, const QuantizedMatrix& quantized, std::span<const float> values,
              MatrixReport& report);
// The quantized matrix becomes a result of the job, and what the model multiplies with.
void accept(LayerJob& job, const StoredMatrix& matrix, QuantizedMatrix quantized,
            std::span<const float> values, MatrixReport report);

// ---- The methods. Each leaves the states behind the layer written and all matrices accepted.

// Rounding to nearest; needs no samples, leaves the states alone.
void round_layer(LayerJob& job);
// Searches AWQ's scales and folds them into the layer.
void search_layer(LayerJob& job);
// AWQ: scales, limits for the weights of each group where the recipe wants them, then rounding to
// nearest; the next layer sees the float outputs.
void awq_layer(LayerJob& job);
// GPTQ; the next layer sees the quantized outputs. `float_states`: of the unquantized model, where
// the recipe asks for GPTAQ.
void gptq_layer(LayerJob& job, States* float_states);

}  // namespace octavo::quant
