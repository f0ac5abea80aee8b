#include "base/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "octavo/error.h"

namespace octavo {

File::File(const std::filesystem::path& path) : path_(path) {
  fd_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd_ < 0)
    throw Error(std::string("cannot open: ") + std::strerror(errno), path.string(),
                "check the path and its permissions");
  struct stat info {};
  if (::fstat(fd_, &info) != 0 || !S_ISREG(info.st_mode)) {
    ::close(std::exchange(fd_, -1));
    throw Error("not a regular file", path.string(), "give a file");
  }
  size_bytes_ = static_cast<uint64_t>(info.st_size);
}

File::~File() {
  if (fd_ >= 0) ::close(fd_);
}

File::File(File&& other) noexcept
    : path_(std::move(other.path_)),
      fd_(std::exchange(other.fd_, -1)),
      size_bytes_(other.size_bytes_) {}

File& File::operator=(File&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(fd_, other.fd_);
  std::swap(size_bytes_, other.size_bytes_);
  return *this;
}

void File::read(uint64_t offset, std::span<std::byte> out) const {
  while (!out.empty()) {
    const ssize_t got = ::pread(fd_, out.data(), out.size(), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0)
      throw Error(std::string("cannot read: ") + std::strerror(errno), path_.string(),
                  "check the disk", Error::Kind::failure);
    if (got == 0)
      throw Error("file ends at byte " + std::to_string(offset), path_.string(),
                  "it is truncated: fetch it again");
    offset += static_cast<uint64_t>(got);
    out = out.subspan(static_cast<size_t>(got));
  }
}

void File::drop(uint64_t offset, uint64_t bytes) const noexcept {
  ::posix_fadvise(fd_, static_cast<off_t>(offset), static_cast<off_t>(bytes), POSIX_FADV_DONTNEED);
}

std::string read_file(const std::filesystem::path& path, uint64_t max_bytes) {
  const File file(path);
  if (file.size_bytes() > max_bytes) {
    throw Error("file of " + std::to_string(file.size_bytes()) + " bytes is too large",
                path.string(), "keep it under " + std::to_string(max_bytes) + " bytes");
  }
  std::string text(file.size_bytes(), '\0');
  file.read(0, std::as_writable_bytes(std::span(text)));
  return text;
}

}  // namespace octavo
