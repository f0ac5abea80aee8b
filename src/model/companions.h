#pragma once

#include <filesystem>

#include "octavo/tokenizer.h"
#include "text/template/model_template.h"

namespace octavo {

// What comes with a model's weights: from the files of a directory (or a tokenizer.json given
// itself), or from a GGUF file's metadata. Throw Error.
Tokenizer read_tokenizer(const std::filesystem::path& path);
ModelTemplates read_templates(const std::filesystem::path& path);
// Whether there is a tokenizer at all.
bool has_tokenizer(const std::filesystem::path& path);

}  // namespace octavo
