#pragma once

#include <filesystem>
#include <memory>

#include "text/tokenizer/tokenizer_impl.h"

namespace octavo::tokenizer {

// The tokenizer of a directory, or of one file in it with the files beside that. Looks for
// tokenizer.json, then for the older forms that hold a vocabulary alone. Throws Error.
std::shared_ptr<const Tokenizer::Impl> load_files(const std::filesystem::path& dir_or_file);

// The file of a directory that load_files starts from; empty when there is none.
std::filesystem::path find_files(const std::filesystem::path& directory);

}  // namespace octavo::tokenizer
