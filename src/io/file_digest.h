#pragma once

#include <filesystem>
#include <string>

namespace octavo {

// Lower-case hexadecimal digests of a file, read in pieces. Throw Error when it cannot be read.
std::string sha256_of(const std::filesystem::path& path);
// What git calls the id of a blob: SHA-1 of "blob SIZE\0" and the content.
std::string git_blob_id_of(const std::filesystem::path& path);

}  // namespace octavo
