#pragma once

#include <chrono>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/memory.h"
#include "base/thread_pool.h"
#include "tensor/dtype.h"

namespace octavo::measure {

// What multiplies: the figures that products of `compute` are held against.
struct MultiplyUnit {
  std::string name;
  Compute compute = Compute::f32;
  std::function<double()> rate;  // measured now, operations a second
};

// The machine and its limits, measured with the same threads as the model runs on. The command
// fills it in, since it alone knows the backend.
struct Machine {
  std::string processor, kernels;  // as /proc/cpuinfo and the table of kernels name themselves
  ThreadPool* pool = nullptr;
  HugeBuffer memory;  // touched; larger than the caches unless the user asked for less
  // Bytes a second of reading: any memory, or `memory`.
  std::function<double(std::span<const std::byte>)> read_rate_of;
  std::vector<MultiplyUnit> units;

  double read_rate() const { return read_rate_of({memory.data(), memory.size_bytes()}); }
};

// Limits as they were measured during one measurement; medians in the end.
class LimitSamples {
 public:
  explicit LimitSamples(const Machine& machine) : machine_(machine), units_(machine.units.size()) {}

  // One measurement of each; call it between the runs of what is measured.
  void take();
  void take_units();                   // without reading
  double read_rate() const;            // bytes/s
  double peak(Compute compute) const;  // operations/s of the fastest unit for it; 0: there is none
  std::string_view unit_name(Compute compute) const;
  double rate_of_unit(size_t unit) const;

 private:
  int fastest(Compute compute) const;

  const Machine& machine_;
  std::vector<double> read_;
  std::vector<std::vector<double>> units_;
};

// Seconds of one run of `work`.
template <class Work>
double seconds(const Work& work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - begin;
  return elapsed.count() > 0 ? elapsed.count() : 1e-9;
}

}  // namespace octavo::measure
