#include "io/quantization_section.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "base/json.h"
#include "octavo/error.h"

namespace octavo {
namespace {

bool is_gptq(QuantFormat format) { return format >= QuantFormat::gptq; }
bool is_awq(QuantFormat format) {
  return format != QuantFormat::compressed_tensors && !is_gptq(format);
}

// In sections -1 says "one group a row".
int64_t said(int64_t group_size) { return group_size > 0 ? group_size : -1; }

Json list_or_null(const std::vector<std::string>& names) {
  return names.empty() ? Json(nullptr) : Json(names);
}

// ---- AWQ

const char* version_of(QuantFormat format) {
  switch (format) {
    case QuantFormat::awq_gemv:
      return "gemv";
    case QuantFormat::awq_gemv_fast:
      return "gemv_fast";
    case QuantFormat::awq_marlin:
      return "marlin";
    default:
      return "gemm";
  }
}

// AWQ's section has one width and group for all, so its matrices must have them.
void check_one_kind(const Recipe& recipe, const std::vector<SectionMatrix>& matrices) {
  for (const SectionMatrix& m : matrices) {
    const bool same = m.settings.bits == recipe.bits &&
                      m.settings.group_size == recipe.group_size &&
                      m.settings.symmetric == recipe.symmetric;
    if (!m.dense && !same)
      throw Error("settings unlike those of the other matrices in " + to_string(recipe.format),
                  m.name, "use gptq-v2 or compressed-tensors");
  }
}

// Dense ones that the recipe's list does not cover are named in full.
std::vector<std::string> not_converted(const Recipe& recipe,
                                       const std::vector<SectionMatrix>& matrices) {
  std::vector<std::string> names = recipe.not_converted;
  for (const SectionMatrix& m : matrices) {
    const bool covered = std::ranges::any_of(
        names, [&](const std::string& part) { return m.name.find(part) != std::string::npos; });
    if (m.dense && !covered) names.push_back(m.name);
  }
  return names;
}

Json awq_section(const Recipe& recipe, const std::vector<SectionMatrix>& matrices,
                 const SectionStyle& style) {
  check_one_kind(recipe, matrices);
  const char* version = version_of(recipe.format);
  Json section = {{"quant_method", "awq"},
                  {"bits", recipe.bits},
                  {"group_size", said(recipe.group_size)},
                  {"zero_point", !recipe.symmetric},
                  {"version", version},
                  {"modules_to_not_convert", list_or_null(not_converted(recipe, matrices))}};
  if (style.gptqmodel_keys) {
    section.update({{"method", "awq"},
                    {"format", version},
                    {"checkpoint_format", version},
                    {"desc_act", false},
                    {"lm_head", recipe.head},
                    {"pack_dtype", "int32"}});
  }
  return section;
}

// ---- GPTQ

const char* checkpoint_format(QuantFormat format) {
  return format == QuantFormat::gptq      ? "gptq"
         : format == QuantFormat::gptq_v2 ? "gptq_v2"
                                          : "gptq_p";
}

// 0.05f as 0.05.
double short_number(float value) {
  char text[32];
  std::snprintf(text, sizeof text, "%g", static_cast<double>(value));
  return std::strtod(text, nullptr);
}

Json changes_of(const Recipe::Rule& rule) {
  Json change = Json::object();
  if (rule.skip) return change;
  if (rule.bits) change["bits"] = *rule.bits;
  if (rule.group_size) change["group_size"] = said(*rule.group_size);
  if (rule.symmetric) change["sym"] = *rule.symmetric;
  if (rule.desc_act) change["desc_act"] = *rule.desc_act;
  if (rule.mse) change["mse"] = short_number(*rule.mse);
  return change;
}

// What the recipe says of the algorithm; readers ignore it.
Json gptq_meta(const Recipe& recipe) {
  Json meta = {{"quantizer", Json::array({std::string("octavo:") + OCTAVO_VERSION})},
               {"damp_percent", short_number(recipe.damp_percent)},
               {"static_groups", recipe.static_groups},
               {"true_sequential", recipe.true_sequential},
               {"mse", short_number(recipe.mse)},
               {"gptaq", nullptr},
               {"act_group_aware", recipe.act_group_aware.value_or(!recipe.desc_act)}};
  if (recipe.gptaq_alpha) meta["gptaq"] = {{"alpha", short_number(*recipe.gptaq_alpha)}};
  return meta;
}

Json gptq_section(const Recipe& recipe, const std::vector<SectionMatrix>& matrices) {
  Json section = {{"quant_method", "gptq"},
                  {"method", "gptq"},
                  {"checkpoint_format", checkpoint_format(recipe.format)},
                  {"format", checkpoint_format(recipe.format)},
                  {"bits", recipe.bits},
                  {"group_size", said(recipe.group_size)},
                  {"desc_act", recipe.desc_act},
                  {"sym", recipe.symmetric},
                  {"lm_head", recipe.head},
                  {"pack_dtype", "int32"},
                  {"meta", gptq_meta(recipe)}};
  Json dynamic = Json::object();
  for (const Recipe::Rule& rule : recipe.rules)
    dynamic[(rule.skip ? "-:" : "+:") + rule.pattern] = changes_of(rule);
  // What the recipe keeps dense by a part of its name, readers know by a rule.
  for (const std::string& part : recipe.not_converted) {
    const bool used = std::ranges::any_of(
        matrices, [&](const SectionMatrix& m) { return m.name.find(part) != std::string::npos; });
    if (used) dynamic["-:.*" + quoted_pattern(part)] = Json::object();
  }
  if (!dynamic.empty()) section["dynamic"] = std::move(dynamic);
  return section;
}

// ---- compressed-tensors

Json weights_of(const QuantSettings& s) {
  return {{"num_bits", s.bits},
          {"type", "int"},
          {"symmetric", s.symmetric},
          {"strategy", s.group_size > 0 ? "group" : "channel"},
          {"group_size", s.group_size > 0 ? Json(s.group_size) : Json(nullptr)},
          {"actorder", s.act_order ? Json("group") : Json(nullptr)},
          {"dynamic", false},
          {"observer", "minmax"}};
}

Json compressed_section(const Recipe& recipe, const std::vector<SectionMatrix>& matrices) {
  // The settings of most matrices are those of "Linear", the others name theirs.
  std::vector<std::pair<QuantSettings, std::vector<std::string>>> kinds;
  std::vector<std::string> ignore;
  for (const SectionMatrix& m : matrices) {
    if (m.dense) {
      ignore.push_back(m.name);
      continue;
    }
    const auto found =
        std::ranges::find_if(kinds, [&](const auto& kind) { return kind.first == m.settings; });
    if (found != kinds.end()) {
      found->second.push_back(m.name);
    } else {
      kinds.push_back({m.settings, {m.name}});
    }
  }
  if (kinds.empty())
    kinds.push_back({{.format = recipe.format,
                      .bits = recipe.bits,
                      .group_size = recipe.group_size,
                      .symmetric = recipe.symmetric},
                     {}});
  std::ranges::stable_sort(kinds, std::ranges::greater(),
                           [](const auto& kind) { return kind.second.size(); });
  Json groups = Json::object();
  for (size_t i = 0; i < kinds.size(); ++i) {
    const auto& [settings, names] = kinds[i];
    groups["group_" + std::to_string(i)] = {
        {"targets", i == 0 ? Json::array({"Linear"}) : Json(names)},
        {"weights", weights_of(settings)},
        {"input_activations", nullptr},
        {"output_activations", nullptr}};
  }
  return {{"quant_method", "compressed-tensors"},
          {"format", "pack-quantized"},
          {"quantization_status", "compressed"},
          {"config_groups", std::move(groups)},
          {"ignore", ignore},
          {"kv_cache_scheme", nullptr}};
}

}  // namespace

std::string quoted_pattern(std::string_view text) {
  std::string quoted;
  for (const char c : text) {
    const bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                       c == '_' || static_cast<unsigned char>(c) >= 0x80;
    quoted += plain ? std::string(1, c) : std::string("\\") + c;
  }
  return quoted;
}

Json quantization_section(const Recipe& recipe, const std::vector<SectionMatrix>& matrices,
                          const SectionStyle& style) {
  if (is_awq(recipe.format)) return awq_section(recipe, matrices, style);
  if (is_gptq(recipe.format)) return gptq_section(recipe, matrices);
  return compressed_section(recipe, matrices);
}

std::string section_file(QuantFormat format) {
  return is_gptq(format) ? "quantize_config.json" : "";
}

}  // namespace octavo
