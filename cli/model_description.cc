#include "cli/model_description.h"

#include <type_traits>
#include <utility>

#include "base/json.h"

namespace octavo::cli {
namespace {

const char* text(Act act) {
  switch (act) {
    case Act::none:
      return "identity";
    case Act::silu:
      return "silu";
    case Act::gelu:
      return "gelu";
    case Act::gelu_tanh:
      return "gelu_tanh";
    case Act::relu:
      return "relu";
    case Act::relu2:
      return "relu2";
    case Act::xielu:
      return "xielu";
  }
  return "";
}

struct ScalingName {
  const char* operator()(const std::monostate&) const { return ""; }
  const char* operator()(const RopeSpec::Linear&) const { return ", linear scaling"; }
  const char* operator()(const RopeSpec::Dynamic&) const { return ", dynamic scaling"; }
  const char* operator()(const RopeSpec::Yarn&) const { return ", yarn"; }
  const char* operator()(const RopeSpec::Llama3&) const { return ", llama3 scaling"; }
  const char* operator()(const RopeSpec::LongRope&) const { return ", longrope"; }
  const char* operator()(const RopeSpec::DynamicSteps&) const { return ", dynamic in steps"; }
};

std::string number(double value) { return to_line(Json(value)); }

std::string describe(const AttentionSpec& a) {
  std::string line = "attention, " + std::to_string(a.heads) + " heads, " +
                     std::to_string(a.kv_heads) + " for keys and values, " +
                     std::to_string(a.head_dim) + " each";
  if (a.rope) {
    line += ", rope " + std::to_string(a.rope->dim) + " of base " + number(a.rope->theta) +
            std::visit(ScalingName{}, a.rope->scaling);
  }
  if (a.qk_norm.norm.kind != NormSpec::Kind::none) line += ", norm of queries and keys";
  if (!a.alibi.slopes.empty()) line += ", alibi";
  if (a.qkv_clip > 0) line += ", clipped to " + number(a.qkv_clip);
  if (a.window > 0) line += ", window " + std::to_string(a.window);
  if (a.softcap > 0) line += ", softcap " + number(a.softcap);
  return line;
}

std::string describe(const MlpSpec& m) {
  return "mlp, " + std::to_string(m.hidden) + " wide, " + text(m.act) + (m.gated ? ", gated" : "");
}

template <class Block>
std::string describe_block(const Block& block) {
  return std::visit([](const auto& kind) { return describe(kind); }, block);
}

}  // namespace

Json describe_layers(const ModelSpec& spec) {
  Json groups = Json::array();
  for (size_t begin = 0; begin < spec.layers.size();) {
    size_t end = begin + 1;
    while (end < spec.layers.size() && spec.layers[end] == spec.layers[begin]) ++end;
    const std::string last = end - begin > 1 ? "-" + std::to_string(end - 1) : "";
    groups.push_back({{"layers", std::to_string(begin) + last},
                      {"mixer", describe_block(spec.layers[begin].mixer)},
                      {"ffn", describe_block(spec.layers[begin].ffn)}});
    begin = end;
  }
  return groups;
}

std::vector<std::string> why_not_faster(const cpu::Features& machine, const cpu::Features& used) {
  struct Row {
    const char* name;
    bool cpu::Features::*flag;
  };
  constexpr Row kRows[] = {{"avx2", &cpu::Features::avx2},
                           {"avx512", &cpu::Features::avx512},
                           {"avx512-vnni", &cpu::Features::avx512_vnni},
                           {"avx512-bf16", &cpu::Features::avx512_bf16},
                           {"amx", &cpu::Features::amx}};
  std::vector<std::string> reasons;
  for (const Row& row : kRows) {
    if (used.*row.flag) continue;
    reasons.push_back(std::string(row.name) + (machine.*row.flag
                                                   ? ": left out by OCTAVO_ISA"
                                                   : ": this CPU or its kernel does not offer it"));
  }
  return reasons;
}

}  // namespace octavo::cli
