#include "io/quantization.h"

#include <algorithm>
#include <array>

#include "base/json.h"
#include "octavo/error.h"

namespace octavo {
namespace {

std::string text(const Json& object, const char* key) {
  const auto found = object.is_object() ? object.find(key) : object.end();
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

// Methods and compressed-tensors formats whose matrices are elements of 8 bits times scales. Their
// activations are quantized at run time where that is faster; here they stay as they are.
bool has_scaled_elements(const Json& section) {
  constexpr std::array methods{"fp8", "fbgemm_fp8", "modelopt"};
  constexpr std::array formats{"float-quantized", "int-quantized", "naive-quantized"};
  const std::string method = text(section, "quant_method");
  if (method == "compressed-tensors")
    return std::ranges::find(formats, text(section, "format")) != formats.end();
  return std::ranges::find(methods, method) != methods.end();
}

// [rows, cols] of `weight_block_size` (fp8), `block_structure` (compressed-tensors) or
// `group_size`.
ElementScales::Block read_block(const Json& section) {
  const auto pair = [](const Json& object, const char* key) -> ElementScales::Block {
    const auto found = object.is_object() ? object.find(key) : object.end();
    if (found == object.end() || !found->is_array() || found->size() != 2) return {};
    if (!(*found)[0].is_number_integer() || !(*found)[1].is_number_integer()) return {};
    return {.rows = (*found)[0].get<int64_t>(), .cols = (*found)[1].get<int64_t>()};
  };
  const auto groups = section.find("config_groups");
  if (groups != section.end() && groups->is_object() && !groups->empty()) {
    const Json& group = groups->front();
    const Json weights = group.is_object() ? group.value("weights", Json()) : Json();
    ElementScales::Block block = pair(weights, "block_structure");
    if (weights.is_object() && weights.contains("group_size") &&
        weights["group_size"].is_number_integer())
      block.cols = weights["group_size"].get<int64_t>();
    return block;
  }
  return pair(section, "weight_block_size");
}

}  // namespace

Quantization Quantization::parse(const Json& section, const std::string& where) {
  if (has_scaled_elements(section)) return {.packed = std::nullopt, .block = read_block(section)};
  return {.packed = CompressedTensors::parse(section, where), .block = {}};
}

}  // namespace octavo
