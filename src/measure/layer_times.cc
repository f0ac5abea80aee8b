#include "measure/layer_times.h"

#include <algorithm>
#include <map>
#include <unordered_map>

#include "measure/product_calls.h"
#include "measure/statistics.h"
#include "measure/step_runner.h"
#include "measure/timed_ops.h"

namespace octavo::measure {
namespace {

constexpr int64_t kOutside = -1;

// Where a call of the table belongs in the walk.
struct Place {
  std::string kind;
  int64_t layer = kOutside;
};

class Places {
 public:
  Places(const Model& model, std::span<const KvLayer> kv) {
    for (const ProductCall& call : product_calls(model))
      products_[call.weights.front()] = {call.name, call.layer};
    for (size_t layer = 0; layer < kv.size(); ++layer)
      caches_[kv[layer].k] = static_cast<int64_t>(layer);
  }

  // Calls that say nothing of their layer belong to the next one that does: a norm stands before
  // the products that it feeds.
  std::vector<Place> of(const std::vector<TimedCall>& calls) const {
    std::vector<Place> places(calls.size());
    int64_t next = kOutside;
    for (size_t i = calls.size(); i-- > 0;) {
      const TimedCall& call = calls[i];
      Place& place = places[i];
      place.kind = call.entry;
      const auto product = products_.find(call.weight);
      const auto cache = caches_.find(call.kv);
      if (product != products_.end() && call.products > 0) {
        place = product->second;
        next = place.layer;
      } else if (cache != caches_.end()) {
        next = cache->second;
      }
      place.layer = call.weight != nullptr && call.products == 0 ? kOutside : next;
    }
    return places;
  }

 private:
  std::unordered_map<const Weight*, Place> products_;
  std::unordered_map<const std::byte*, int64_t> caches_;
};

// One kind of step, over its runs.
class StepSamples {
 public:
  StepSamples(std::string step, int64_t sequences, int64_t first, int64_t rows, size_t layers)
      : layers_(layers + 1) {
    time_.step = std::move(step);
    time_.sequences = sequences;
    time_.rows = sequences * rows;
    time_.context_tokens = first + rows;
    first_ = first;
    rows_ = rows;
  }

  void run(StepRunner& runner, TimedQueue& queue, const Places& places) {
    queue.take();
    const double all = seconds([&] { runner.step(queue, time_.sequences, first_, rows_); });
    const std::vector<TimedCall> calls = queue.take();
    if (places_.size() != calls.size()) places_ = places.of(calls);
    std::map<std::string, double> kinds;
    std::vector<double> layers(layers_.size());
    double inside = 0;
    for (size_t i = 0; i < calls.size(); ++i) {
      kinds[places_[i].kind] += calls[i].seconds;
      layers[static_cast<size_t>(places_[i].layer + 1)] += calls[i].seconds;
      inside += calls[i].seconds;
    }
    kinds["rest"] += std::max(0.0, all - inside);
    layers[0] += std::max(0.0, all - inside);
    wall_.push_back(all);
    for (const auto& [kind, s] : kinds) kinds_[kind].push_back(s);
    for (size_t i = 0; i < layers.size(); ++i) layers_[i].push_back(layers[i]);
    last_ = calls;
  }

  StepTime time(const LimitSamples& limits) {
    time_.seconds = median(wall_);
    for (const auto& [kind, samples] : kinds_) {
      KindTime k{.kind = kind, .seconds = median(samples)};
      for (size_t i = 0; i < last_.size(); ++i) {
        if (places_[i].kind == kind) add(k, last_[i], limits);
      }
      time_.limit_s += k.limit_s;
      time_.kinds.push_back(std::move(k));
    }
    std::ranges::stable_sort(time_.kinds, std::greater{}, &KindTime::seconds);
    for (size_t i = 1; i < layers_.size(); ++i) time_.layer_seconds.push_back(median(layers_[i]));
    time_.outside_seconds = median(layers_[0]);
    return time_;
  }

 private:
  static void add(KindTime& kind, const TimedCall& call, const LimitSamples& limits) {
    ++kind.calls;
    kind.bytes += call.bytes;
    kind.operations += call.operations;
    const double peak = limits.peak(call.compute);
    kind.limit_s +=
        std::max(call.bytes / limits.read_rate(), peak > 0 ? call.operations / peak : 0);
  }

  StepTime time_;
  int64_t first_, rows_;
  std::vector<double> wall_;
  std::map<std::string, std::vector<double>> kinds_;
  std::vector<std::vector<double>> layers_;  // [0]: outside of all
  std::vector<Place> places_;                // of the step's calls, the same in every run
  std::vector<TimedCall> last_;
};

}  // namespace

LayerTimes measure_layers(const Model& model, const Ops& inner, const Machine& machine,
                          const LayerOptions& options) {
  const int64_t prompt = options.prompt_tokens;
  TimedQueue queue(*machine.pool, inner);
  StepRunner runner(model, options.batch, prompt + 1, std::max(prompt, options.batch));
  const Places places(model, runner.layers());
  const size_t layers = model.layers.size();
  StepSamples prefill("prefill", 1, 0, prompt, layers);
  StepSamples decode("decode", options.batch, prompt, 1, layers);
  runner.step(queue, 1, 0, prompt);  // warm, and fills the cache
  runner.step(queue, options.batch, prompt, 1);
  LimitSamples limits(machine);
  for (int run = 0; run < options.runs; ++run) {
    if (options.progress) options.progress(run, options.runs);
    limits.take();
    decode.run(runner, queue, places);
    prefill.run(runner, queue, places);
  }
  const Compute compute = model.compute_of(model.layers.front().q.weight);
  return {.steps = {prefill.time(limits), decode.time(limits)},
          .read_rate = limits.read_rate(),
          .peak = limits.peak(compute),
          .unit = std::string(limits.unit_name(compute))};
}

}  // namespace octavo::measure
