#pragma once

#include <filesystem>
#include <span>
#include <string_view>

namespace octavo {

// Copies what lies beside weights and config.json in a model's directory (tokenizer, template,
// generation settings, licence) but for files of these names. Throws Error (failure) on a full
// disk.
void copy_companions(const std::filesystem::path& from, const std::filesystem::path& to,
                     std::span<const std::string_view> without);

}  // namespace octavo
