#include "quant/estimate.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <vector>

#include "model/derive.h"

namespace octavo::quant {
namespace {

using Method = Recipe::Method;

// Operations in the unit of dense products' time, measured with this program (2026-11, two cores).
constexpr double kRoundingFlops = 60;      // a weight, once
constexpr double kCandidates = 16;         // of a search for scales
constexpr double kWidths = 4;              // that a bit budget tries
constexpr double kSearchRows = 1024;       // that it runs on
constexpr double kLimitFlopsAnInput = 40;  // of a weight's search for limits, times its group
constexpr double kPasses = 3;              // over a layer with all rows: for inputs, probe, outputs
constexpr double kFloat = sizeof(float);

bool uses_data(const Recipe& recipe) {
  return recipe.method != Method::rtn || recipe.average_bits > 0;
}

// One layer, or the head.
struct LayerCost {
  double weights = 0;               // of its matrices
  double largest = 0;               // matrix
  double squares = 0, cubes = 0;    // of the widths of distinct inputs
  double updates = 0;               // out · in² over matrices
  double limits = 0;                // weights times group
  int64_t widest = 0, outputs = 0;  // inputs of a matrix; outputs of all
};

std::map<int64_t, LayerCost> layer_costs(const Plan& plan) {
  std::map<int64_t, LayerCost> layers;
  std::map<std::pair<int64_t, int64_t>, bool> seen;
  for (const MatrixPlan& m : plan.matrices) {
    LayerCost& cost = layers[m.layer];
    const auto in = static_cast<double>(m.shape.in), out = static_cast<double>(m.shape.out);
    cost.weights += in * out;
    cost.largest = std::max(cost.largest, in * out);
    cost.widest = std::max(cost.widest, m.shape.in);
    cost.outputs += m.shape.out;
    if (m.dense) continue;
    cost.updates += out * in * in;
    cost.limits += in * out * static_cast<double>(m.layout.group());
    // q, k, v share an input, gate and up another; o and a down of the same width a third.
    if (!std::exchange(seen[{m.layer, m.shape.in}], true)) {
      cost.squares += 2 * in * in;
      cost.cubes += 2 * in * in * in;
    }
  }
  return layers;
}

double layer_flops(const LayerCost& cost, const Recipe& recipe, double tokens) {
  double flops = kRoundingFlops * cost.weights;
  if (recipe.average_bits > 0)
    flops += kWidths * (kRoundingFlops + 2 * std::min(tokens, kSearchRows)) * cost.weights +
             2 * cost.weights * tokens;
  if (recipe.method == Method::rtn) return flops;
  flops += kPasses * 2 * cost.weights * tokens;
  if (recipe.method != Method::gptq)
    flops += kCandidates * (2 * std::min(tokens, kSearchRows) + kRoundingFlops) * cost.weights;
  if (recipe.method == Method::awq && recipe.apply_clip) flops += kLimitFlopsAnInput * cost.limits;
  if (recipe.method != Method::awq)
    flops += cost.squares * tokens + 2 * cost.cubes + 2 * cost.updates;
  return flops;
}

uint64_t memory(const ModelSource& source, const Recipe& recipe,
                const std::map<int64_t, LayerCost>& layers, const CalibrationFacts& calibration,
                const Machine& machine) {
  constexpr double kProgram = 16e6;
  LayerCost most;
  for (const auto& [layer, cost] : layers) {
    if (cost.weights > most.weights) most = cost;
  }
  if (!uses_data(recipe))
    return static_cast<uint64_t>(kProgram + kFloat * most.weights + 3 * kFloat * most.largest);
  const auto tokens = static_cast<double>(calibration.tokens),
             hidden = static_cast<double>(source.spec.hidden);
  const double embedding = kFloat * static_cast<double>(source.spec.vocab) *
                           static_cast<double>(embedding_width(source.spec));
  // Rows between layers, and those inside one while it runs.
  const double states = kFloat * tokens * hidden,
               activations = kFloat * tokens * (2 * hidden + static_cast<double>(most.outputs));
  const double budget = static_cast<double>(machine.memory_bytes);
  const double hessians = 3 * kFloat * static_cast<double>(most.widest * most.widest);
  const double layer = kFloat * most.weights + 3 * kFloat * most.largest + hessians +
                       std::min(states + activations, budget);
  return static_cast<uint64_t>(kProgram + std::max(embedding + std::min(states, budget), layer));
}

}  // namespace

double measure_flops(Queue& queue, const Ops& ops) {
  constexpr int64_t kSize = 768;
  constexpr double kSeconds = 0.1;
  std::vector<float> a(kSize * kSize, 0.5f), b(a), c(a.size());
  const Gemm call{.a = ConstMat(a.data(), {kSize, kSize}),
                  .b = ConstMat(b.data(), {kSize, kSize}),
                  .c = Mat(c.data(), {kSize, kSize})};
  ops.gemm(queue, call);  // threads awake, memory there
  const auto start = std::chrono::steady_clock::now();
  std::chrono::duration<double> elapsed{};
  int products = 0;
  while (elapsed.count() < kSeconds) {
    ops.gemm(queue, call);
    ++products;
    elapsed = std::chrono::steady_clock::now() - start;
  }
  return 2.0 * kSize * kSize * kSize * products / elapsed.count();
}

JobEstimate estimate_job(const ModelSource& source, const Recipe& recipe, const Plan& plan,
                         const CalibrationFacts& calibration, const Machine& machine) {
  JobEstimate estimate;
  double bits = 0, weights = 0;
  for (const MatrixPlan& m : plan.matrices) {
    ++(m.dense ? estimate.dense : estimate.matrices);
    if (m.dense) continue;
    const double size = static_cast<double>(m.shape.in) * static_cast<double>(m.shape.out);
    bits += size * m.layout.settings.bits;
    weights += size;
  }
  estimate.mean_bits = weights > 0 ? bits / weights : 0;
  const double spent = recipe.average_bits > 0 ? recipe.average_bits : estimate.mean_bits;
  estimate.bytes_before = source.checkpoint.total_bytes();
  for (const TensorPlan& tensor : plan.tensors) estimate.bytes_after += tensor.bytes();
  // What a bit budget will choose is not known yet, but for its sum.
  const double saved = weights * (estimate.mean_bits - spent) / 8;
  estimate.bytes_after -= static_cast<uint64_t>(static_cast<int64_t>(saved));
  estimate.mean_bits = spent;
  const auto layers = layer_costs(plan);
  const auto tokens = static_cast<double>(calibration.tokens);
  for (const auto& [layer, cost] : layers)
    estimate.seconds += layer_flops(cost, recipe, tokens) / machine.flops;
  estimate.memory_bytes = memory(source, recipe, layers, calibration, machine);
  const double states = kFloat * tokens * static_cast<double>(source.spec.hidden);
  estimate.disk_bytes = estimate.bytes_after;
  if (uses_data(recipe))
    estimate.disk_bytes += static_cast<uint64_t>(2 * states);  // this layer's and the next one's
  return estimate;
}

}  // namespace octavo::quant
