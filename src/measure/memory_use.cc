#include "measure/memory_use.h"

#include <algorithm>
#include <fstream>
#include <sstream>

#include "base/json.h"
#include "measure/product_calls.h"
#include "measure/step_runner.h"
#include "model/derive.h"

namespace octavo::measure {
namespace {

// Adds "Name:   123 kB" lines of a file of /proc, one by one, to the fields that want them.
void read_fields(const char* path, std::map<std::string, int64_t>& fields) {
  std::ifstream file(path);
  for (std::string text; std::getline(file, text);) {
    std::istringstream words(text);
    std::string name;
    int64_t kilobytes = 0;
    if (!(words >> name >> kilobytes) || !name.ends_with(':')) continue;
    const auto field = fields.find(name.substr(0, name.size() - 1));
    if (field != fields.end()) field->second = kilobytes * 1024;
  }
}

}  // namespace

ProcessMemory process_memory() {
  std::map<std::string, int64_t> fields = {{"VmRSS", 0}, {"VmHWM", 0}, {"AnonHugePages", 0}};
  read_fields("/proc/self/status", fields);
  read_fields("/proc/self/smaps_rollup", fields);
  return {
      .resident = fields["VmRSS"], .peak = fields["VmHWM"], .huge_pages = fields["AnonHugePages"]};
}

void measure_memory(const Model& model, ThreadPool& pool, const ProcessMemory& before, int64_t rows,
                    MemoryUse& use) {
  use.weights = process_memory().resident - before.resident;
  for (const DType type : {DType::bf16, DType::f32})
    use.kv_per_1k_tokens[std::string(name(type))] = 1000 * kv_bytes_per_token(model.spec, type);
  use.kv_dtype = name(model.kv_dtype);

  Queue queue(pool);
  StepRunner runner(model, 1, use.tokens, rows);
  for (int64_t first = 0; first < use.tokens; first += rows)
    runner.step(queue, 1, first, std::min(rows, use.tokens - first));
  use.planned_kv = static_cast<int64_t>(runner.cache_bytes());
  use.planned_workspace = static_cast<int64_t>(runner.workspace_bytes());
  use.planned_logits = static_cast<int64_t>(sizeof(float)) * model.spec.vocab;
  use.planned = use.planned_weights + use.planned_kv + use.planned_workspace + use.planned_logits;
  const ProcessMemory after = process_memory();
  use.measured = after.resident - before.resident;
  use.peak = after.peak;
  use.huge_pages = after.huge_pages;
}

Json to_json(const MemoryUse& use) {
  return {{"formats", use.formats},
          {"weights_bytes", use.planned_weights},
          {"measured_weights_bytes", use.weights},
          {"kv_dtype", use.kv_dtype},
          {"kv_bytes_per_1k_tokens", use.kv_per_1k_tokens},
          {"tokens", use.tokens},
          {"kv_bytes", use.planned_kv},
          {"workspace_bytes", use.planned_workspace},
          {"logits_bytes", use.planned_logits},
          {"planned_bytes", use.planned},
          {"measured_bytes", use.measured},
          {"measured_over_planned", use.ratio()},
          {"peak_bytes", use.peak},
          {"huge_page_bytes", use.huge_pages}};
}

void show(const MemoryUse& use, BenchReport& report) {
  const auto mb = [](int64_t bytes) { return megabytes(static_cast<double>(bytes)); };
  std::vector<std::vector<std::string>> rows = {
      {"weights", mb(use.planned_weights), mb(use.weights)},
      {"keys and values of " + std::to_string(use.tokens) + " tokens (" + use.kv_dtype + ")",
       mb(use.planned_kv), ""},
      {"workspace of a step", mb(use.planned_workspace), ""},
      {"logits of a row", mb(use.planned_logits), ""},
      {"together", mb(use.planned), mb(use.measured)}};
  report.heading("Memory");
  report.table({"part", "planned", "measured"}, rows);
  report.line("measured / planned " + fixed("%.3f", use.ratio()) + ", peak of the process " +
              mb(use.peak) + ", on huge pages " + mb(use.huge_pages));
  for (const auto& [type, bytes] : use.kv_per_1k_tokens)
    report.line("keys and values in " + type + ": " + mb(bytes) + " per 1000 tokens");
  for (const auto& [format, elements] : use.formats)
    report.line("kept as " + format + ": " + std::to_string(elements) + " elements");
  report.page().bars("Planned, MB",
                     {{"weights", static_cast<double>(use.planned_weights) / 1e6},
                      {"keys and values", static_cast<double>(use.planned_kv) / 1e6},
                      {"workspace", static_cast<double>(use.planned_workspace) / 1e6},
                      {"logits", static_cast<double>(use.planned_logits) / 1e6}});
}

}  // namespace octavo::measure
