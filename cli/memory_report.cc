#include "cli/memory_report.h"

#include "base/json.h"
#include "cache/kv_cache.h"
#include "cli/inspect_rows.h"
#include "cpu/cpu.h"
#include "model/load_plan.h"

namespace octavo::cli {
namespace {

DType kv_dtype(const ModelOptions& options, Compute compute) {
  if (options.kv_cache_dtype == "float32") return DType::f32;
  if (options.kv_cache_dtype == "bfloat16") return DType::bf16;
  return compute == Compute::bf16 ? DType::bf16 : DType::f32;
}

std::string cache_text(const MemoryPlan& plan) {
  const EngineOptions& o = plan.options;
  return std::to_string(plan.kv_tokens) + " tokens in " + std::to_string(o.num_blocks) +
         " blocks, " + std::to_string(plan.kv_tokens / o.max_model_len) + " requests of " +
         std::to_string(o.max_model_len);
}

}  // namespace

MemoryPlan memory_plan(const ModelOptions& options, const EngineOptions& engine) {
  const ModelSource source = ModelSource::open(model_directory(options), options.hf_overrides);
  Model shell;
  shell.spec = source.spec;
  shell.ops = cpu::ops(usable_features());
  const LoadPlan load = plan_load(source, shell.ops, parse_dtype(options.dtype));
  shell.compute = load.compute;
  shell.kv_dtype = kv_dtype(options, load.compute);
  EngineOptions settings = engine;
  settings.max_model_len = options.max_model_len;
  return plan_memory(shell, static_cast<int64_t>(load.weight_bytes), settings);
}

std::string memory_line(const MemoryPlan& plan) {
  return "memory: weights " + mebibytes(plan.weights_bytes) + ", KV cache " +
         mebibytes(plan.kv_bytes) + " (" + cache_text(plan) + "), workspace " +
         mebibytes(plan.workspace_bytes + plan.logits_bytes) + ", in all " +
         mebibytes(plan.total_bytes()) + " of " + mebibytes(available_memory_bytes()) + " free";
}

void print_memory_plan(const std::string& name, const MemoryPlan& plan) {
  print_row("model", name);
  print_row("weights", mebibytes(plan.weights_bytes));
  print_row("KV cache", mebibytes(plan.kv_bytes) + ", " + cache_text(plan));
  print_row("workspace", mebibytes(plan.workspace_bytes));
  print_row("logits", mebibytes(plan.logits_bytes));
  print_row("program", "about " + mebibytes(plan.other_bytes));
  print_row("in all",
            mebibytes(plan.total_bytes()) + " of " + mebibytes(available_memory_bytes()) + " free");
}

}  // namespace octavo::cli
