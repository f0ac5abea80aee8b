#pragma once

#include <filesystem>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace octavo {

class ThreadPool;

// Processors that reach the same memory at the same speed. A large machine has one node a socket,
// or several (sub-NUMA clustering).
struct NumaNode {
  int id = 0;
  std::vector<int> cpus;  // ascending, never empty

  bool operator==(const NumaNode&) const = default;
};

// Reads a list as sysfs writes it, "0-3,8,10-11" (a newline may follow), into ascending numbers.
// Empty text is an empty list. Nothing when malformed, not ascending, or above 65535.
std::optional<std::vector<int>> parse_cpu_list(std::string_view text);

// CPUs of the calling thread's affinity mask, ascending. Empty when the kernel does not tell.
std::vector<int> allowed_cpus();

// The nodes that have at least one CPU of `allowed`, each with those CPUs only, by ascending id.
// Empty when anything under `root` is missing or malformed: then nothing is known.
std::vector<NumaNode> numa_nodes(std::span<const int> allowed,
                                 const std::filesystem::path& root = "/sys/devices/system/node");

// The node, an index into `nodes`, of each of `workers` workers: contiguous runs whose lengths are
// in proportion to the CPUs of the nodes. REQUIRES: nodes not empty.
std::vector<int> nodes_of_workers(std::span<const NumaNode> nodes, int workers);

// Ties the workers of `pool` but the caller's to the CPUs of their nodes. The caller's own thread
// stays free: others inherit its mask, and the scheduler finds it the place that the rest leave.
// With fewer than two nodes does nothing. Returns how many threads were tied.
int pin_workers(ThreadPool& pool, std::span<const NumaNode> nodes);

}  // namespace octavo
