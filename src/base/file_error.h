#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>

namespace octavo {

// Throws Error (failure) for a system call on `path` that failed with `code`. `when_full` is the
// way out where no space is left or a limit on file sizes was met.
[[noreturn]] void fail_io(const char* doing, const std::filesystem::path& path, int code,
                          const char* when_full = "free some space or write elsewhere");

// Writes all of `bytes` at `offset` of an open file. False with errno set when it cannot.
bool write_fully(int fd, uint64_t offset, std::span<const std::byte> bytes);

}  // namespace octavo
