#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "octavo/recipe.h"
#include "quant/layer_walk.h"
#include "quant/plan.h"

namespace octavo::quant {

// Matrices that get the same width, because readers join them: {q, k, v}, {o}, {gate, up}, {down}
// of a layer.
struct BitUnit {
  std::vector<std::string> matrices;
  int64_t weights = 0;
  std::map<int, double> errors;  // by width: what rounding to it changes, falling
};

// Widths whose mean over all weights is at most `average`, with the least sum of errors that going
// up step by step finds (each time the step that gains most for its bits): the solution of the
// relaxed problem, but for the last step. By matrix.
std::map<std::string, int> spend_bits(std::span<const BitUnit> units, double average);

// Measures, for every unit and every width the format has, what rounding it to nearest changes in
// its layer's output, as a share of that output: on the beginnings of a few samples, layer after
// layer of the unquantized model. Matrices that the recipe keeps dense, or whose width a rule
// fixes, are left out.
struct BudgetJob {
  Queue& queue;
  const Ops& ops;
  const Recipe& recipe;
  const Plan& plan;
  const ModelSource& source;
  Samples samples;
  std::function<void(int64_t layer)> progress = {};
};
std::vector<BitUnit> measure_units(const BudgetJob& job);

// The recipe with a rule for each of these matrices, instead of an average.
Recipe with_bits(Recipe recipe, const std::map<std::string, int>& bits);

}  // namespace octavo::quant
