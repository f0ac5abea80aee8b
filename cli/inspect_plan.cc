#include "cli/inspect_plan.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <iostream>

#include "base/huge_pages.h"
#include "base/json.h"
#include "base/numa.h"
#include "cli/inspect_rows.h"
#include "cpu/cpu.h"
#include "model/derive.h"
#include "model/load_plan.h"

namespace octavo::cli {
namespace {

constexpr size_t kMaxShown = 8;

uint64_t machine_bytes() {
  return static_cast<uint64_t>(::sysconf(_SC_PHYS_PAGES)) *
         static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
}

// Buffers that transformers keeps in its files and that follow from config.json.
bool is_buffer(const std::string& name) {
  for (const char* end :
       {".rotary_emb.inv_freq", ".attn.bias", ".attn.masked_bias", ".attention.bias",
        ".attention.masked_bias", ".position_ids", "rope_freqs.weight", "rope_factors_long.weight",
        "rope_factors_short.weight"}) {
    if (name.ends_with(end)) return true;
  }
  return false;
}

Json describe_nodes() {
  Json nodes = Json::array();
  for (const NumaNode& node : numa_nodes(allowed_cpus()))
    nodes.push_back({{"node", node.id}, {"cpus", node.cpus}});
  return nodes;
}

void print_list(const std::string& key, const Json& list) {
  const size_t shown = std::min(list.size(), kMaxShown);
  for (size_t i = 0; i < shown; ++i) print_row(i == 0 ? key : "", list[i].get<std::string>());
  if (list.size() > shown)
    print_row("", "and " + std::to_string(list.size() - shown) + " more (--json lists all)");
}

}  // namespace

Json describe_load(const ModelSource& source, const ModelOptions& options) {
  const LoadPlan plan = plan_load(source, cpu::ops(usable_features()), precision_of(options));
  Json unused = Json::array();
  for (const std::string& name : source.checkpoint.names()) {
    if (!plan.used.contains(name) && !is_buffer(name)) unused.push_back(name);
  }
  return {{"formats", plan.formats},
          {"activations", plan.precision.quantized == Compute::int8   ? "int8"
                          : plan.precision.quantized == Compute::bf16 ? "bf16"
                                                                      : "float32"},
          {"weights_bytes", plan.weight_bytes},
          {"missing", plan.problems},
          {"unused", std::move(unused)}};
}

Json describe_memory(const ModelSpec& spec, const Json& load) {
  Json kv, longest;
  for (const DType type : {DType::f32, DType::bf16, DType::i8, DType::f8_e4m3}) {
    kv[std::string(name(type))] = kv_bytes_per_token(spec, type) * 1000;
    longest[std::string(name(type))] = kv_bytes_per_token(spec, type) * max_sequence_tokens(spec);
  }
  return {{"weights_bytes", load["weights_bytes"]}, {"kv_bytes_per_1k_tokens", kv},
          {"kv_bytes_full_length", longest},        {"full_length", max_sequence_tokens(spec)},
          {"machine_bytes", machine_bytes()},       {"huge_pages", name(huge_page_setting())},
          {"numa_nodes", describe_nodes()}};
}

void print_load(const Json& load) {
  for (const auto& [format, elements] : load["formats"].items())
    print_row("kept as", format + ", " + to_line(elements) + " elements");
  for (const auto& [format, elements] : load["formats"].items()) {
    if (format.find(kPlainRows) != std::string::npos)
      print_row("not faster", format +
                                  ": no kernel cuts such groups, so plain loops multiply it "
                                  "(groups of 32, 64 or 128 are fast)");
  }
  print_row("activations", load["activations"].get<std::string>() + " with quantized weights");
  print_list("missing", load["missing"]);
  print_list("unused", load["unused"]);
}

void print_memory(const Json& memory) {
  print_row("memory", "weights " + mebibytes(memory["weights_bytes"]) + " of this machine's " +
                          mebibytes(memory["machine_bytes"]));
  print_row("", "huge pages: the setting is " + memory["huge_pages"].get<std::string>());
  const Json& nodes = memory["numa_nodes"];
  for (size_t i = 0; nodes.size() >= 2 && i < nodes.size(); ++i)
    print_row("", "NUMA node " + to_line(nodes[i]["node"]) + ": " +
                      std::to_string(nodes[i]["cpus"].size()) + " CPUs");
  for (const auto& [type, bytes] : memory["kv_bytes_per_1k_tokens"].items()) {
    print_row("", "KV cache in " + type + " " + mebibytes(bytes) + " per 1000 tokens, " +
                      mebibytes(memory["kv_bytes_full_length"][type]) + " for one sequence of " +
                      to_line(memory["full_length"]));
  }
}

}  // namespace octavo::cli
