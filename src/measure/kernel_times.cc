#include "measure/kernel_times.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <set>

#include "base/json.h"
#include "measure/product_calls.h"
#include "measure/statistics.h"
#include "tensor/queue.h"

namespace octavo::measure {
namespace {

// Rows up to which the weights' bytes bound a product; above, the multiplying units do.
constexpr int64_t kFewRows = 16;
constexpr double kRunSeconds = 0.05;  // at least, where calls are short
constexpr int64_t kMostCalls = 4096;  // of one run

// The same call again and again on different memory.
class Copies {
 public:
  Copies(std::span<std::byte> memory, const std::vector<const ProductCall*>& sources) {
    size_t used = 0;
    for (size_t i = 0; used < memory.size() && calls_.size() < kMostCalls; ++i) {
      std::vector<Weight> call;
      for (const Weight* w : sources[i % sources.size()]->weights) {
        Weight copy = *w;
        if (!place(copy.data, memory, used) || !place(copy.scales, memory, used) ||
            !place(copy.zeros, memory, used))
          return;
        call.push_back(copy);
      }
      calls_.push_back(std::move(call));
      used_ = used;
    }
  }

  const std::vector<std::vector<Weight>>& calls() const { return calls_; }
  size_t used_bytes() const { return used_; }

 private:
  // Moves a plane to the next place in memory; false where it does not fit.
  static bool place(std::span<const std::byte>& plane, std::span<std::byte> memory, size_t& used) {
    used = (used + 63) / 64 * 64;
    if (used > memory.size() || plane.size() > memory.size() - used) return false;
    if (!plane.empty()) std::memcpy(memory.data() + used, plane.data(), plane.size());
    plane = memory.subspan(used, plane.size());
    used += plane.size();
    return true;
  }

  std::vector<std::vector<Weight>> calls_;
  size_t used_ = 0;
};

class Bench {
 public:
  Bench(const Model& model, Machine& machine, const KernelOptions& options)
      : model_(model), machine_(machine), options_(options), queue_(*machine.pool) {}

  // All numbers of rows of one call; `sources` are equal ones of different layers.
  void run(const std::vector<const ProductCall*>& sources, std::vector<KernelTime>& times) {
    const Copies copies(machine_.memory.span(), sources);
    std::vector<std::vector<Weight>> calls = copies.calls();
    if (calls.empty()) {  // larger than the memory: as the model has it
      calls.emplace_back();
      for (const Weight* w : sources.front()->weights) calls.back().push_back(*w);
    }
    const std::span<const std::byte> memory = machine_.memory.span();
    const size_t read = std::max(copies.used_bytes(), std::min<size_t>(memory.size(), 1 << 20));
    for (const int64_t rows : options_.rows)
      times.push_back(measure(*sources.front(), calls, rows, memory.first(read)));
  }

 private:
  void multiply(const std::vector<Weight>& weights, int64_t rows) {
    std::vector<Matmul>& products = products_;
    products.clear();
    float* y = y_.data();
    for (const Weight& w : weights) {
      products.push_back({.x = {x_.data(), {rows, w.in}},
                          .w = &w,
                          .y = {y, {rows, w.out}},
                          .bias = {},
                          .compute = model_.compute_of(w)});
      y += rows * w.out;
    }
    model_.ops.matmul(queue_, products);
  }

  KernelTime measure(const ProductCall& call, const std::vector<std::vector<Weight>>& calls,
                     int64_t rows, std::span<const std::byte> memory) {
    x_.resize(static_cast<size_t>(rows * call.in()));
    y_.resize(static_cast<size_t>(rows * call.out()));
    for (size_t i = 0; i < x_.size(); ++i) x_[i] = static_cast<float>(i % 17) / 16 - 0.5f;
    multiply(calls.front(), rows);
    const double once = seconds([&] { multiply(calls.back(), rows); });
    // Few rows: all copies, so that each is read from memory. Many: as many calls as the time asks
    // for.
    const auto wanted = static_cast<int64_t>(kRunSeconds / once) + 1;
    const auto all = static_cast<int64_t>(calls.size());
    const int64_t count = rows <= kFewRows ? std::max(all, std::min(wanted, kMostCalls))
                                           : std::min(wanted, kMostCalls);
    std::vector<double> took, read;
    LimitSamples limits(machine_);
    const Compute arithmetic = model_.compute_of(*call.weights.front());
    for (int run = 0; run < options_.runs; ++run) {
      if (rows <= kFewRows) read.push_back(machine_.read_rate_of(memory));
      limits.take_units();
      took.push_back(seconds([&] {
                       for (int64_t i = 0; i < count; ++i) multiply(calls[i % all], rows);
                     }) /
                     static_cast<double>(count));
      if (rows > kFewRows) read.push_back(machine_.read_rate_of(memory));
    }
    return {.product = call.name,
            .format = call.format(),
            .out = call.out(),
            .in = call.in(),
            .rows = rows,
            .weight_bytes = static_cast<double>(call.bytes()),
            .seconds = median(took),
            .read_rate = median(read),
            .peak = limits.peak(arithmetic),
            .unit = std::string(limits.unit_name(arithmetic))};
  }

  const Model& model_;
  Machine& machine_;
  const KernelOptions& options_;
  Queue queue_;
  std::vector<float> x_, y_;
  std::vector<Matmul> products_;
};

}  // namespace

std::vector<KernelTime> measure_kernels(const Model& model, Machine& machine,
                                        const KernelOptions& options) {
  const std::vector<ProductCall> calls = product_calls(model);
  std::vector<std::vector<const ProductCall*>> kinds;
  std::map<std::string, size_t> known;
  for (const ProductCall& call : calls) {
    const auto [at, is_new] = known.emplace(call.signature(), kinds.size());
    if (is_new) kinds.emplace_back();
    kinds[at->second].push_back(&call);
  }
  Bench bench(model, machine, options);
  std::vector<KernelTime> times;
  for (size_t i = 0; i < kinds.size(); ++i) {
    if (options.progress)
      options.progress(static_cast<int64_t>(i), static_cast<int64_t>(kinds.size()));
    bench.run(kinds[i], times);
  }
  return times;
}

Json to_json(const std::vector<KernelTime>& times) {
  Json rows = Json::array();
  for (const KernelTime& t : times) {
    rows.push_back({{"product", t.product},
                    {"out", t.out},
                    {"in", t.in},
                    {"format", t.format},
                    {"rows", t.rows},
                    {"seconds", t.seconds},
                    {"gb_per_s", t.bytes_per_s() / 1e9},
                    {"read_gb_per_s", t.read_rate / 1e9},
                    {"share_of_read", t.share_of_read()},
                    {"gop_per_s", t.operations_per_s() / 1e9},
                    {"peak_gop_per_s", t.peak / 1e9},
                    {"unit", t.unit},
                    {"share_of_peak", t.share_of_peak()}});
  }
  return rows;
}

void show(const std::vector<KernelTime>& times, BenchReport& report) {
  std::vector<std::vector<std::string>> rows;
  std::map<int64_t, std::vector<HtmlReport::Bar>> bars;
  for (const KernelTime& t : times) {
    rows.push_back({t.product, std::to_string(t.out) + "x" + std::to_string(t.in), t.format,
                    std::to_string(t.rows), duration(t.seconds),
                    fixed("%.1f", t.bytes_per_s() / 1e9), percent(t.share_of_read()),
                    fixed("%.1f", t.operations_per_s() / 1e9), percent(t.share_of_peak()), t.unit});
    bars[t.rows].push_back({t.product + " " + std::to_string(t.out) + "x" + std::to_string(t.in),
                            100 * std::max(t.share_of_read(), t.share_of_peak())});
  }
  report.heading("Products");
  report.table(
      {"product", "shape", "format", "rows", "time", "GB/s", "of read", "GOP/s", "of peak", "unit"},
      rows);
  for (const auto& [count, list] : bars)
    report.page().bars("Share of the nearer limit at " + std::to_string(count) + " rows, %", list);
}

}  // namespace octavo::measure
