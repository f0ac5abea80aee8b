#include <algorithm>
#include <cstring>
#include <fstream>

#include "base/huge_pages.h"
#include "base/json.h"
#include "cache/kv_cache.h"
#include "cli/bench_options.h"
#include "cpu/limits.h"

namespace octavo::cli {
namespace {

std::string processor_name() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    const size_t colon = line.find(": ");
    if (line.starts_with("model name") && colon != std::string::npos) return line.substr(colon + 2);
  }
  return "unknown processor";
}

// The products that a unit's peak is the limit of.
Compute compute_of(cpu::Unit unit) {
  switch (unit) {
    case cpu::Unit::bf16:
    case cpu::Unit::amx_bf16:
      return Compute::bf16;
    case cpu::Unit::int8:
    case cpu::Unit::amx_int8:
      return Compute::int8;
    case cpu::Unit::f32:
      break;
  }
  return Compute::f32;
}

size_t memory_bytes(int64_t megabytes) {
  constexpr int64_t kLeast = int64_t{1} << 20, kShare = 8;
  const int64_t free = available_memory_bytes();
  const int64_t wanted = std::max(megabytes << 20, kLeast);
  return static_cast<size_t>(free > 0 ? std::clamp(wanted, kLeast, std::max(kLeast, free / kShare))
                                      : wanted);
}

// How much of the memory that the read rate is measured on lies on huge pages.
Json describe_huge_pages(const HugeBuffer& memory) {
  Json found = {{"setting", name(huge_page_setting())}, {"share", nullptr}};
  const auto huge = huge_page_bytes(memory.data(), memory.size_bytes());
  if (huge) found["share"] = static_cast<double>(*huge) / static_cast<double>(memory.size_bytes());
  return found;
}

}  // namespace

measure::Machine bench_machine(const BenchOptions& options, const Ops& ops, ThreadPool& pool) {
  measure::Machine machine;
  machine.processor = processor_name();
  machine.kernels = ops.name;
  machine.pool = &pool;
  machine.memory = HugeBuffer(memory_bytes(options.memory_mb));
  pool.split(static_cast<int64_t>(machine.memory.size_bytes()), 4096,
             [&](int64_t begin, int64_t end, int) {
               std::memset(machine.memory.data() + begin, 1, static_cast<size_t>(end - begin));
             });
  const cpu::Features features = usable_features();
  machine.read_rate_of = [&pool, features](std::span<const std::byte> bytes) {
    return cpu::read_rate(pool, features, bytes);
  };
  for (const cpu::Unit unit : cpu::units(features)) {
    machine.units.push_back(
        {.name = std::string(cpu::name(unit)),
         .compute = compute_of(unit),
         .rate = [&pool, features, unit] { return cpu::peak_rate(pool, features, unit); }});
  }
  // Without units of bf16, floats multiply them.
  const auto has_bf16 = [](const auto& unit) { return unit.compute == Compute::bf16; };
  if (!machine.units.empty() && std::ranges::none_of(machine.units, has_bf16)) {
    machine.units.push_back(machine.units.front());
    machine.units.back().compute = Compute::bf16;
  }
  return machine;
}

Json describe(const measure::Machine& machine) {
  Json peaks = Json::object();
  for (const measure::MultiplyUnit& unit : machine.units) peaks[unit.name] = unit.rate() / 1e9;
  return {{"processor", machine.processor},
          {"kernels", machine.kernels},
          {"threads", machine.pool->threads()},
          {"huge_pages", describe_huge_pages(machine.memory)},
          {"read_gb_per_s", machine.read_rate() / 1e9},
          {"peak_gop_per_s", std::move(peaks)}};
}

}  // namespace octavo::cli
