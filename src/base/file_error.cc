#include "base/file_error.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "octavo/error.h"

namespace octavo {

void fail_io(const char* doing, const std::filesystem::path& path, int code,
             const char* when_full) {
  const bool full = code == ENOSPC || code == EDQUOT || code == EFBIG;
  throw Error(std::string(doing) + ": " + std::strerror(code), path.string(),
              full ? when_full : "check the folder and its permissions", Error::Kind::failure);
}

bool write_fully(int fd, uint64_t offset, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t wrote = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) {
      if (wrote == 0) errno = ENOSPC;
      return false;
    }
    offset += static_cast<uint64_t>(wrote);
    bytes = bytes.subspan(static_cast<size_t>(wrote));
  }
  return true;
}

}  // namespace octavo
