#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>

#include "base/file.h"

// The entry of the fuzz target that is compiled into the same program (fuzz/*_fuzz.cc).
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace octavo {

// For tests: gives every file of `directory` to the fuzz target, which aborts where it finds a bug.
// Returns how many there were.
inline int replay_corpus(const std::filesystem::path& directory) {
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    const std::string bytes = read_file(entry.path(), uint64_t{16} << 20);
    LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
    ++files;
  }
  return files;
}

}  // namespace octavo
