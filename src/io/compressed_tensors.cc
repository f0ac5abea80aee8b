#include "io/compressed_tensors.h"

#include "base/json.h"
#include "octavo/error.h"

namespace octavo {
namespace {

// The value at `key`, null where absent.
const Json* at(const Json& object, const char* key) {
  if (!object.is_object()) return nullptr;
  const auto found = object.find(key);
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

std::string text(const Json& object, const char* key) {
  const Json* value = at(object, key);
  return value != nullptr && value->is_string() ? value->get<std::string>() : "";
}

int64_t whole(const Json& object, const char* key, const std::string& where) {
  const Json* value = at(object, key);
  if (value == nullptr || !value->is_number_integer())
    throw Error("missing or no whole number", where + ", field " + key, "correct it");
  return value->get<int64_t>();
}

const Json& only_group(const Json& section, const std::string& where) {
  const Json* groups = at(section, "config_groups");
  if (groups == nullptr || !groups->is_object() || groups->size() != 1) {
    throw Error("not exactly one group of settings", where + ", field config_groups",
                "mixed precision is not supported yet");
  }
  return groups->front();
}

}  // namespace

CompressedTensors CompressedTensors::parse(const Json& section, const std::string& where) {
  const std::string method = text(section, "quant_method");
  if (method != "compressed-tensors") {
    throw Error("quantization method " + (method.empty() ? "without a name" : method) +
                    " is not supported yet",
                where + ", field quant_method", "supported: compressed-tensors (pack-quantized)");
  }
  const std::string format = text(section, "format");
  if (format != "pack-quantized")
    throw Error("compressed-tensors format " + format + " is not supported yet",
                where + ", field format", "supported: pack-quantized");
  const Json& group = only_group(section, where);
  const Json* weights = at(group, "weights");
  if (weights == nullptr)
    throw Error("no settings for weights", where + ", field config_groups", "add them");
  if (at(group, "input_activations") != nullptr)
    throw Error("quantized activations are not supported yet", where + ", field input_activations",
                "use a weight-only checkpoint");
  CompressedTensors result;
  const int64_t bits = whole(*weights, "num_bits", where);
  if (bits != 2 && bits != 3 && bits != 4 && bits != 8)
    throw Error(std::to_string(bits) + " bits are not supported", where + ", field num_bits",
                "use 2, 3, 4 or 8");
  result.bits = static_cast<int>(bits);
  const Json* symmetric = at(*weights, "symmetric");
  result.symmetric = symmetric == nullptr || (symmetric->is_boolean() && symmetric->get<bool>());
  const std::string strategy = text(*weights, "strategy");
  if (strategy == "group") {
    result.group_size = whole(*weights, "group_size", where);
    if (result.group_size < 1 || result.group_size > (1 << 22))
      throw Error("group size is no size", where + ", field group_size", "use 32, 64 or 128");
  } else if (strategy != "channel") {
    throw Error("strategy " + strategy + " is not supported yet", where + ", field strategy",
                "use group or channel");
  }
  if (at(*weights, "actorder") != nullptr && text(*weights, "actorder") == "group")
    throw Error("act-order groups are not supported yet", where + ", field actorder",
                "use static order");
  if (const Json* ignore = at(section, "ignore"); ignore != nullptr && ignore->is_array()) {
    for (const Json& name : *ignore) {
      if (name.is_string()) result.ignore.push_back(name.get<std::string>());
    }
  }
  return result;
}

Json CompressedTensors::to_json() const {
  Json weights = {{"num_bits", bits},       {"type", "int"},
                  {"symmetric", symmetric}, {"strategy", group_size > 0 ? "group" : "channel"},
                  {"group_size", nullptr},  {"dynamic", false},
                  {"observer", "minmax"}};
  if (group_size > 0) weights["group_size"] = group_size;
  const Json group = {{"targets", Json::array({"Linear"})},
                      {"weights", std::move(weights)},
                      {"input_activations", nullptr},
                      {"output_activations", nullptr}};
  return {{"quant_method", "compressed-tensors"},
          {"format", "pack-quantized"},
          {"quantization_status", "compressed"},
          {"config_groups", {{"group_0", group}}},
          {"ignore", ignore},
          {"kv_cache_scheme", nullptr}};
}

}  // namespace octavo
