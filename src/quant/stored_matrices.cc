#include "quant/stored_matrices.h"

#include <array>

#include "base/json.h"
#include "io/gguf.h"
#include "model/derive.h"
#include "model/families.h"
#include "octavo/error.h"

namespace octavo::quant {
namespace {

// NAME of NAME.SUFFIX, empty where the tensor ends otherwise.
std::string stem(const std::string& tensor, std::string_view suffix) {
  return tensor.ends_with(suffix) ? tensor.substr(0, tensor.size() - suffix.size()) : "";
}

// Of activations and caches; a dense model has no use for them.
constexpr std::array kLeftOvers{".input_scale", ".output_scale", ".k_scale", ".v_scale"};

void find_matrices(StoredMatrices& found) {
  for (const std::string& tensor : found.checkpoint.names()) {
    std::string name = stem(tensor, ".qweight");
    if (name.empty()) name = stem(tensor, ".weight_packed");
    if (!name.empty()) {
      std::optional<QuantSettings> settings = found.quantization.settings_of(name);
      if (!settings) settings = found.quantization.packed;
      if (!settings)
        throw Error("a matrix in codes without settings", found.checkpoint.where(tensor),
                    "config.json lacks its quantization_config: fetch it again");
      const auto [out, in] = PackedMatrix::shape_in(found.checkpoint, *settings, name);
      found.sources.emplace(name, MatrixSource::open(found.checkpoint, found.quantization, name,
                                                     {.out = out, .in = in}));
      continue;
    }
    name = stem(tensor, ".weight");
    const TensorEntry& entry = found.checkpoint.get(tensor);
    if (name.empty() || entry.shape.size() != 2 || size_bytes(entry.dtype) != 1) continue;
    found.sources.emplace(name, MatrixSource::open(found.checkpoint, found.quantization, name,
                                                   {.out = entry.shape[0], .in = entry.shape[1]}));
  }
  for (const auto& [name, source] : found.sources) {
    for (const std::string& tensor : source.tensors()) found.parts.insert(tensor);
    for (const char* suffix : kLeftOvers) {
      if (found.checkpoint.find(name + suffix) != nullptr) found.parts.insert(name + suffix);
    }
  }
}

// What the spec adds, where there is one.
void ask_spec(StoredMatrices& found) {
  try {
    const ModelSpec spec = spec_of(found.config);
    found.head = spec.names.head;
    const std::string root = root_in_use(spec, found.checkpoint);
    for (size_t i = 0; i < spec.layers.size(); ++i) {
      for (const MatrixPart& part : layer_matrices(spec, static_cast<int64_t>(i), root)) {
        if (part.stored.transposed) found.transposed.insert(part.name);
        if (found.checkpoint.find(part.name + ".weight") != nullptr)
          found.dense_linears.insert(part.name);
      }
    }
    if (found.checkpoint.find(found.head + ".weight") != nullptr)
      found.dense_linears.insert(found.head);
  } catch (const Error&) {  // a family that cannot run yet can be converted
    found.head = "lm_head";
    for (const std::string& tensor : found.checkpoint.names()) {
      const std::string name = stem(tensor, ".weight");
      const bool linear = name.ends_with("_proj") || name == found.head;
      if (linear && found.checkpoint.get(tensor).shape.size() == 2)
        found.dense_linears.insert(name);
    }
  }
}

}  // namespace

std::unique_ptr<const StoredMatrices> StoredMatrices::open(const std::filesystem::path& model) {
  if (is_gguf(model)) {
    throw Error("a GGUF file is not converted", model.string(),
                "give a directory with config.json and safetensors");
  }
  auto found =
      std::make_unique<StoredMatrices>(StoredMatrices{.config = Config::read(model / "config.json"),
                                                      .checkpoint = Checkpoint::open(model),
                                                      .quantization = {},
                                                      .sources = {},
                                                      .parts = {},
                                                      .dense_linears = {},
                                                      .transposed = {},
                                                      .head = {}});
  const auto section = found->config.section("quantization_config");
  found->quantization = section ? Quantization::parse(section->json(), section->where())
                                : Quantization::beside_config(model);
  find_matrices(*found);
  if (found->sources.empty())
    throw Error("the model is not quantized", found->config.where(), "give a quantized one");
  ask_spec(*found);
  return found;
}

}  // namespace octavo::quant
