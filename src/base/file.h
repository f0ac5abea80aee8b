#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

namespace octavo {

// A file opened for reading by offset. Reads may run in several threads at once.
class File {
 public:
  // Throws Error when `path` cannot be opened or is not a regular file.
  explicit File(const std::filesystem::path& path);
  ~File();
  File(File&& other) noexcept;
  File& operator=(File&& other) noexcept;
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  // Fills `out` from `offset`. Throws Error when the file ends before that (it may have been cut
  // while open).
  void read(uint64_t offset, std::span<std::byte> out) const;
  // Tells the kernel that these bytes will not be read again, so that loading does not fill the
  // page cache.
  void drop(uint64_t offset, uint64_t bytes) const noexcept;
  uint64_t size_bytes() const { return size_bytes_; }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
  int fd_ = -1;
  uint64_t size_bytes_ = 0;
};

// The whole of a small file. Throws Error when it is larger than `max_bytes` or cannot be read.
std::string read_file(const std::filesystem::path& path, uint64_t max_bytes);

}  // namespace octavo
