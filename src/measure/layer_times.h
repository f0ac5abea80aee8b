#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/json_fwd.h"
#include "measure/bench_report.h"
#include "measure/machine.h"
#include "model/model.h"

namespace octavo::measure {

struct LayerOptions {
  int64_t prompt_tokens = 512;  // of the prefill, and in the cache of the decode step
  int64_t batch = 1;            // sequences of the decode step
  int runs = 7;
  std::function<void(int64_t done, int64_t all)> progress = {};
};

// All calls of one kind in a step.
struct KindTime {
  std::string kind;  // "q+k+v", "attention", "norm"; "rest": the walk between the calls
  int64_t calls = 0;
  double seconds = 0;
  double bytes = 0, operations = 0;  // 0: not counted
  // What the machine needs at least for these bytes or operations, the larger; 0: not counted.
  double limit_s = 0;
};

// One step taken apart. Sums of the kinds, and of the layers with what lies outside of them, are
// the step.
struct StepTime {
  std::string step;  // "prefill", "decode"
  int64_t sequences = 0, rows = 0, context_tokens = 0;
  double seconds = 0;
  std::vector<KindTime> kinds;        // the most expensive first
  std::vector<double> layer_seconds;  // of each layer
  double outside_seconds = 0;         // embedding, head, rest
  double limit_s = 0;                 // sum of the kinds'

  double tokens_per_s() const { return static_cast<double>(rows) / seconds; }
};

struct LayerTimes {
  std::vector<StepTime> steps;
  double read_rate = 0, peak = 0;  // medians over the whole measurement
  std::string unit;
};

// A prefill and a decode step, each repeated by turns with the limits. REQUIRES: the model's table
// is timed_ops(inner), and `inner` is that table without the clocks.
LayerTimes measure_layers(const Model& model, const Ops& inner, const Machine& machine,
                          const LayerOptions& options);

Json to_json(const LayerTimes& times);
void show(const LayerTimes& times, BenchReport& report);

}  // namespace octavo::measure
