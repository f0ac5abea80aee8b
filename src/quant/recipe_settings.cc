#include "quant/recipe_settings.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/spelling.h"
#include "octavo/error.h"

namespace octavo::quant {
namespace {

using Method = Recipe::Method;

constexpr std::array<std::pair<std::string_view, Method>, 4> kMethods{{
    {"rtn", Method::rtn},
    {"awq", Method::awq},
    {"gptq", Method::gptq},
    {"awq_gptq", Method::awq_gptq},
}};

// The first name of a format is its own, the others are checkpoints' names for it.
constexpr std::array<std::pair<std::string_view, QuantFormat>, 15> kFormats{{
    {"compressed-tensors", QuantFormat::compressed_tensors},
    {"awq-gemm", QuantFormat::awq_gemm},
    {"awq-gemv", QuantFormat::awq_gemv},
    {"awq-gemv-fast", QuantFormat::awq_gemv_fast},
    {"awq-marlin", QuantFormat::awq_marlin},
    {"gptq", QuantFormat::gptq},
    {"gptq-v2", QuantFormat::gptq_v2},
    {"gptq-planar", QuantFormat::gptq_planar},
    {"pack-quantized", QuantFormat::compressed_tensors},
    {"gemm", QuantFormat::awq_gemm},
    {"gemv", QuantFormat::awq_gemv},
    {"gemv-fast", QuantFormat::awq_gemv_fast},
    {"marlin", QuantFormat::awq_marlin},
    {"gptq-v1", QuantFormat::gptq},
    {"gptq-p", QuantFormat::gptq_planar},
}};

std::string spelled(std::string_view text, char between) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    if (c == '-' || c == '_' || c == '+') c = between;
  }
  return out;
}

template <typename Table>
auto look_up(const Table& table, const std::string& text, std::string_view what,
             const std::string& where) {
  std::array<std::string_view, std::tuple_size_v<Table>> names;
  for (size_t i = 0; i < table.size(); ++i) {
    if (table[i].first == text) return table[i].second;
    names[i] = table[i].first;
  }
  std::string all;
  for (const auto& [name, value] : table) {
    const bool first = std::ranges::find(table, value, &Table::value_type::second)->first == name;
    if (first) all += (all.empty() ? "" : ", ") + std::string(name);
  }
  throw Error("unknown " + std::string(what) + " \"" + text.substr(0, 40) + "\"", where,
              did_you_mean(text, names) + "use one of " + all);
}

QuantFormat usual_format(Method method, int bits) {
  if (bits >= 5 && bits <= 7) return QuantFormat::gptq_planar;
  if (method == Method::gptq) return QuantFormat::gptq;
  if (method == Method::awq && bits == 4) return QuantFormat::awq_gemm;
  return QuantFormat::compressed_tensors;
}

template <typename T>
void take(std::optional<T>& mine, const std::optional<T>& other) {
  if (other) mine = other;
}

}  // namespace

void RecipeSettings::overlay(const RecipeSettings& over) {
  take(method, over.method);
  take(format, over.format);
  take(states_format, over.states_format);
  take(bits, over.bits);
  take(group_size, over.group_size);
  take(symmetric, over.symmetric);
  take(head, over.head);
  take(not_converted, over.not_converted);
  take(rules, over.rules);
  take(average_bits, over.average_bits);
  take(apply_clip, over.apply_clip);
  take(duo_scaling, over.duo_scaling);
  take(desc_act, over.desc_act);
  take(static_groups, over.static_groups);
  take(act_group_aware, over.act_group_aware);
  take(true_sequential, over.true_sequential);
  take(damp_percent, over.damp_percent);
  take(mse, over.mse);
  take(gptaq_alpha, over.gptaq_alpha);
}

Recipe RecipeSettings::resolve() const {
  Recipe r;
  r.method = method.value_or(r.method);
  r.bits = bits.value_or(r.bits);
  r.format = format.value_or(usual_format(r.method, r.bits));
  r.states_format = states_format.value_or(false);
  r.group_size = group_size.value_or(r.group_size);
  r.symmetric = symmetric.value_or(r.method == Method::gptq);
  r.head = head.value_or(r.head);
  r.not_converted = not_converted.value_or(r.not_converted);
  r.rules = rules.value_or(r.rules);
  r.average_bits = average_bits.value_or(r.average_bits);
  r.apply_clip = apply_clip.value_or(r.apply_clip);
  r.duo_scaling = duo_scaling.value_or(r.duo_scaling);
  r.desc_act = desc_act.value_or(r.desc_act);
  r.static_groups = static_groups.value_or(r.static_groups);
  r.act_group_aware = act_group_aware;
  r.true_sequential = true_sequential.value_or(r.true_sequential);
  r.damp_percent = damp_percent.value_or(r.damp_percent);
  r.mse = mse.value_or(r.mse);
  r.gptaq_alpha = gptaq_alpha;
  return r;
}

std::string_view name(Method method) {
  return std::ranges::find(kMethods, method, &decltype(kMethods)::value_type::second)->first;
}

std::string_view name(QuantFormat format) {
  return std::ranges::find(kFormats, format, &decltype(kFormats)::value_type::second)->first;
}

Method parse_method(std::string_view text, const std::string& where) {
  return look_up(kMethods, spelled(text, '_'), "method", where);
}

QuantFormat parse_format(std::string_view text, const std::string& where) {
  return look_up(kFormats, spelled(text, '-'), "format", where);
}

bool is_awq(QuantFormat format) {
  return format == QuantFormat::awq_gemm || format == QuantFormat::awq_gemv ||
         format == QuantFormat::awq_gemv_fast || format == QuantFormat::awq_marlin;
}

}  // namespace octavo::quant
