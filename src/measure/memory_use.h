#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "base/json_fwd.h"
#include "base/thread_pool.h"
#include "measure/bench_report.h"
#include "model/model.h"

namespace octavo::measure {

// Of this process, in bytes, from /proc/self.
struct ProcessMemory {
  int64_t resident = 0, peak = 0, huge_pages = 0;
};
ProcessMemory process_memory();

// What a model takes here: the plan from its description, and what the process grew by.
struct MemoryUse {
  std::map<std::string, int64_t> formats;  // elements as they are kept
  int64_t planned_weights = 0, weights = 0;
  int64_t tokens = 0;                               // in the cache below
  std::map<std::string, int64_t> kv_per_1k_tokens;  // by type
  std::string kv_dtype;                             // in use
  int64_t planned_kv = 0, planned_workspace = 0, planned_logits = 0;
  int64_t planned = 0, measured = 0;  // all of it
  int64_t peak = 0, huge_pages = 0;

  double ratio() const { return static_cast<double>(measured) / static_cast<double>(planned); }
};

// Fills a cache of `tokens` with prefill steps of `rows` rows. `before`: of the process before it
// loaded the model; `use` comes with the formats and planned_weights.
void measure_memory(const Model& model, ThreadPool& pool, const ProcessMemory& before, int64_t rows,
                    MemoryUse& use);

Json to_json(const MemoryUse& use);
void show(const MemoryUse& use, BenchReport& report);

}  // namespace octavo::measure
