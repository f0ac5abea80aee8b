#pragma once

#include <span>

#include "octavo/quantize.h"
#include "quant/layer_walk.h"
#include "quant/plan.h"
#include "quant/states.h"

namespace octavo::quant {

struct HeadJob {
  Queue& queue;
  const Ops& ops;
  const Recipe& recipe;
  const MatrixPlan& plan;
  const ModelSource& source;
  Samples samples;
  std::span<const SampleRange> ranges;
  LayerWalk& walk;
  const States* states;  // behind the last layer; null: the method needs none
};

struct HeadOutcome {
  QuantizedMatrix matrix;
  MatrixReport report;
};

// The output head by itself: GPTQ where the recipe's method is that, else rounding to nearest.
HeadOutcome quantize_head(const HeadJob& job);

}  // namespace octavo::quant
