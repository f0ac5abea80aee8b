#include "model/source.h"

#include "io/gguf.h"
#include "model/families.h"
#include "model/gguf/gguf_model.h"

namespace octavo {
namespace {

Quantization quantization_in(const Config& config, const std::filesystem::path& directory) {
  const auto section = config.section("quantization_config");
  if (!section) return Quantization::beside_config(directory);
  return Quantization::parse(section->json(), section->where());
}

}  // namespace

ModelSource ModelSource::open(const std::filesystem::path& path, std::string_view overrides) {
  if (!is_gguf(path)) {
    Config config = Config::read(path / "config.json").with(overrides);
    ModelSpec spec = spec_of(config);
    Quantization quantization = quantization_in(config, path);
    return {Checkpoint::open(path), std::move(config), std::move(quantization), std::move(spec)};
  }
  const GgufMetadata metadata = read_gguf_metadata(path);
  Checkpoint checkpoint = Checkpoint::open(path);
  Config config = gguf_config(path, metadata, checkpoint).with(overrides);
  ModelSpec spec = spec_of(config);
  fit_to_gguf(spec, gguf_architecture(metadata), checkpoint);
  return {std::move(checkpoint), std::move(config), {}, std::move(spec)};
}

Config read_config(const std::filesystem::path& path) {
  if (!is_gguf(path)) return Config::read(path / "config.json");
  return gguf_config(path, read_gguf_metadata(path), Checkpoint::open(path));
}

}  // namespace octavo
