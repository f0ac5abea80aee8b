// What compressed-tensors says in config.json: groups of settings, each with the modules it is for.

#include <algorithm>
#include <array>

#include "io/quantization.h"
#include "io/section_fields.h"

namespace octavo {
namespace {

using namespace section;

constexpr const char* kPacked = "pack-quantized";

// Formats of elements of 8 bits times scales, and those that store nothing of their own.
bool has_scaled_elements(const std::string& format) {
  constexpr std::array formats{"float-quantized", "int-quantized", "naive-quantized", "dense"};
  return std::ranges::find(formats, format) != formats.end();
}

// [rows, cols] of `block_structure`, or the group as columns.
ElementScales::Block read_block(const Json& weights) {
  ElementScales::Block block;
  const Json* pair = at(weights, "block_structure");
  if (pair != nullptr && pair->is_array() && pair->size() == 2 && (*pair)[0].is_number_integer() &&
      (*pair)[1].is_number_integer())
    block = {.rows = (*pair)[0].get<int64_t>(), .cols = (*pair)[1].get<int64_t>()};
  const Json* group = at(weights, "group_size");
  if (group != nullptr && group->is_number_integer()) block.cols = group->get<int64_t>();
  return block;
}

bool follows_activations(const Json& weights, const std::string& where) {
  const Json* order = at(weights, "actorder");
  if (order == nullptr || order->is_boolean()) return order != nullptr && order->get<bool>();
  const std::string name = text(weights, "actorder");
  if (name == "group" || name == "dynamic") return true;
  if (name != "weight" && name != "static")
    fail(where, "actorder", "unknown order of activations " + name, "known: group, weight");
  return false;  // order of work alone: groups are where they were
}

QuantSettings read_packed(const Json& group, const Json& weights, const std::string& where) {
  if (at(group, "input_activations") != nullptr)
    fail(where, "input_activations", "quantized activations are not supported with packed weights",
         "use a weight-only checkpoint");
  const std::string type = text(weights, "type");
  if (!type.empty() && type != "int")
    fail(where, "type", "packed weights of type " + type + " are not supported", "use int");
  const int64_t bits = whole(weights, "num_bits", where);
  if (bits < 2 || bits > 8)
    fail(where, "num_bits", std::to_string(bits) + " bits are not supported", "use 2 to 8");
  QuantSettings settings{.format = QuantFormat::compressed_tensors,
                         .bits = static_cast<int>(bits),
                         .group_size = 0,
                         .symmetric = flag(weights, "symmetric", true, where),
                         .act_order = follows_activations(weights, where)};
  const std::string strategy = text(weights, "strategy");
  const bool grouped = strategy == "group" || (strategy.empty() && at(weights, "group_size"));
  if (grouped) settings.group_size = group_size(weights, "group_size", where);
  if (!grouped && !strategy.empty() && strategy != "channel")
    fail(where, "strategy", "strategy " + strategy + " is not supported with packed weights",
         "use group or channel");
  return settings;
}

// A target or an ignored module: a name, "re:PATTERN", or a class, which names all matrices here.
bool is_class(const std::string& target) {
  return target == "Linear" || target == "Conv1D" || target == "LinearBase" ||
         target == "ParallelLMHead";
}

Quantization::Rule rule_for(const std::string& target, const std::optional<QuantSettings>& settings,
                            const std::string& where) {
  if (target.starts_with("re:"))
    return {.pattern = NamePattern(target.substr(3), where), .name = {}, .settings = settings};
  return {.pattern = {}, .name = target, .settings = settings};
}

// Names count before patterns, those before classes.
struct Targets {
  std::vector<Quantization::Rule> names, patterns;
  std::optional<QuantSettings> all;

  void add(const std::string& target, const std::optional<QuantSettings>& settings,
           const std::string& where) {
    if (is_class(target)) {
      if (!all) all = settings;
      return;
    }
    const bool pattern = target.starts_with("re:");
    (pattern ? patterns : names).push_back(rule_for(target, settings, where));
  }
};

}  // namespace

Quantization parse_compressed_tensors(const Json& section, const std::string& where) {
  const std::string format = text(section, "format");
  const Json* groups = at(section, "config_groups");
  Quantization result;
  if (has_scaled_elements(format)) {
    if (groups != nullptr && groups->is_object() && !groups->empty())
      if (const Json* weights = at(groups->front(), "weights")) result.block = read_block(*weights);
    return result;
  }
  if (format != kPacked && format != "mixed-precision")
    fail(where, "format", "compressed-tensors format " + format + " is not supported",
         "supported: pack-quantized, float-quantized, int-quantized, naive-quantized");
  if (groups == nullptr || !groups->is_object() || groups->empty())
    fail(where, "config_groups", "no groups of settings");
  for (const std::string& name : texts(section, "ignore", where)) {
    if (!is_class(name)) result.rules.push_back(rule_for(name, {}, where + ", field ignore"));
  }
  Targets targets;
  for (const auto& [name, group] : groups->items()) {
    const std::string place = where + ", field config_groups." + name;
    const Json* weights = at(group, "weights");
    if (weights == nullptr) fail(place, "weights", "no settings for weights", "add them");
    const std::string own = text(group, "format");
    if (has_scaled_elements(own)) {
      result.block = read_block(*weights);
      continue;
    }
    if (!own.empty() && own != kPacked)
      fail(place, "format", "compressed-tensors format " + own + " is not supported",
           "supported: pack-quantized, float-quantized, int-quantized, naive-quantized");
    const QuantSettings settings = read_packed(group, *weights, place);
    if (!result.packed) result.packed = settings;
    for (const std::string& target : texts(group, "targets", place))
      targets.add(target, settings, place + ", field targets");
  }
  if (targets.all) result.packed = targets.all;
  std::ranges::move(targets.names, std::back_inserter(result.rules));
  std::ranges::move(targets.patterns, std::back_inserter(result.rules));
  return result;
}

}  // namespace octavo
