#include "base/numa.h"

#include <sched.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <string>

#include "base/check.h"
#include "base/thread_pool.h"

namespace octavo {
namespace {

constexpr int kMaxNumber = 65535;
constexpr size_t kMaxListBytes = 1 << 18;  // "0,2,4,...,65534" and then some
constexpr size_t kSetsOfMask = (kMaxNumber + 1) / CPU_SETSIZE;

std::optional<int> take_number(std::string_view& text) {
  unsigned value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || value > kMaxNumber) return std::nullopt;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  return static_cast<int>(value);
}

std::optional<std::vector<int>> read_list(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::string text(kMaxListBytes + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  // A whole file ends before the buffer does; a folder or a missing file reads as bad.
  if (!file.eof() || file.bad()) return std::nullopt;
  text.resize(static_cast<size_t>(file.gcount()));
  return parse_cpu_list(text);
}

}  // namespace

std::optional<std::vector<int>> parse_cpu_list(std::string_view text) {
  if (text.ends_with('\n')) text.remove_suffix(1);
  std::vector<int> list;
  while (!text.empty()) {
    const std::optional<int> first = take_number(text);
    std::optional<int> last = first;
    if (first && text.starts_with('-')) {
      text.remove_prefix(1);
      last = take_number(text);
    }
    if (!first || !last || *last < *first) return std::nullopt;
    if (!list.empty() && *first <= list.back()) return std::nullopt;
    for (int cpu = *first; cpu <= *last; ++cpu) list.push_back(cpu);
    if (text.empty()) break;
    if (!text.starts_with(',') || text.size() == 1) return std::nullopt;
    text.remove_prefix(1);
  }
  return list;
}

std::vector<int> allowed_cpus() {
  // The kernel wants a mask at least as large as its own, and that may be beyond one cpu_set_t.
  std::vector<cpu_set_t> mask(kSetsOfMask);
  const size_t bytes = mask.size() * sizeof(cpu_set_t);
  std::vector<int> cpus;
  if (sched_getaffinity(0, bytes, mask.data()) != 0) return cpus;
  for (int cpu = 0; cpu <= kMaxNumber; ++cpu) {
    if (CPU_ISSET_S(static_cast<size_t>(cpu), bytes, mask.data())) cpus.push_back(cpu);
  }
  return cpus;
}

std::vector<NumaNode> numa_nodes(std::span<const int> allowed, const std::filesystem::path& root) {
  const auto ids = read_list(root / "online");
  if (!ids) return {};
  std::vector<NumaNode> nodes;
  for (const int id : *ids) {
    const auto cpus = read_list(root / ("node" + std::to_string(id)) / "cpulist");
    if (!cpus) return {};
    NumaNode node{.id = id, .cpus = {}};
    std::ranges::set_intersection(*cpus, allowed, std::back_inserter(node.cpus));
    if (!node.cpus.empty()) nodes.push_back(std::move(node));
  }
  return nodes;
}

std::vector<int> nodes_of_workers(std::span<const NumaNode> nodes, int workers) {
  OCTAVO_CHECK(!nodes.empty());
  int64_t all = 0;
  for (const NumaNode& node : nodes) all += static_cast<int64_t>(node.cpus.size());
  std::vector<int> result;
  int64_t end = 0;  // CPUs of the nodes so far
  for (size_t i = 0; i < nodes.size(); ++i) {
    end += static_cast<int64_t>(nodes[i].cpus.size());
    result.resize(static_cast<size_t>(end * workers / all), static_cast<int>(i));
  }
  return result;
}

int pin_workers(ThreadPool& pool, std::span<const NumaNode> nodes) {
  if (nodes.size() < 2) return 0;
  const std::vector<int> node_of = nodes_of_workers(nodes, pool.threads());
  std::atomic<int> pinned{0};
  pool.run([&](int worker) {
    if (worker == 0) return;
    std::vector<cpu_set_t> mask(kSetsOfMask);
    const size_t bytes = mask.size() * sizeof(cpu_set_t);
    for (const int cpu : nodes[node_of[worker]].cpus)
      CPU_SET_S(static_cast<size_t>(cpu), bytes, mask.data());
    if (sched_setaffinity(0, bytes, mask.data()) == 0) ++pinned;
  });
  return pinned;
}

}  // namespace octavo
