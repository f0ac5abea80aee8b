#pragma once

#include <filesystem>
#include <memory>

#include "text/tokenizer/tokenizer_impl.h"

namespace octavo::tokenizer {

// The tokenizer of a directory, or of one file in it with the files beside that. Looks for
// tokenizer.json, then for the older forms that hold a vocabulary alone. Throws Error.
std::shared_ptr<const Tokenizer::Impl> load_files(const std::filesystem::path& dir_or_file);

}  // namespace octavo::tokenizer
