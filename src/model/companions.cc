#include "model/companions.h"

#include "io/gguf.h"
#include "io/gguf_tokenizer.h"

namespace octavo {

Tokenizer read_tokenizer(const std::filesystem::path& path) {
  if (!is_gguf(path)) return Tokenizer::load(path);
  const GgufMetadata metadata = read_gguf_metadata(path);
  return Tokenizer::from_json(gguf_tokenizer_json(metadata), gguf_tokenizer_config(metadata),
                              path.string() + " (metadata as tokenizer.json)");
}

ModelTemplates read_templates(const std::filesystem::path& path) {
  if (!is_gguf(path)) return ModelTemplates::load(path);
  return ModelTemplates::from_config(gguf_tokenizer_config(read_gguf_metadata(path)),
                                     path.string() + " (metadata as tokenizer_config.json)");
}

bool has_tokenizer(const std::filesystem::path& path) {
  if (!is_gguf(path)) return !Tokenizer::file_in(path).empty();
  return read_gguf_metadata(path).has("tokenizer.ggml.tokens");
}

}  // namespace octavo
