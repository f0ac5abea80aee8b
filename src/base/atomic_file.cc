#include "base/atomic_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

#include "base/file_error.h"
#include "octavo/error.h"

namespace octavo {
namespace {

namespace fs = std::filesystem;

void sync_path(const fs::path& path, int flags) {
  const int fd = ::open(path.c_str(), flags | O_CLOEXEC);
  if (fd < 0) fail_io("cannot open to sync", path, errno);
  const int code = ::fsync(fd) != 0 ? errno : 0;
  ::close(fd);
  // Some network file systems refuse fsync on folders; the rename holds there all the same.
  if (code != 0 && code != EINVAL && code != ENOTSUP) fail_io("cannot sync", path, code);
}

fs::path folder_of(const fs::path& path) {
  return path.has_parent_path() ? path.parent_path() : fs::path(".");
}

// "dir/" names the same folder as "dir"; without this the work folder would land inside it.
fs::path without_trailing_slash(fs::path path) {
  path = path.lexically_normal();
  return path.has_filename() ? path : path.parent_path();
}

}  // namespace

AtomicFile::AtomicFile(fs::path path)
    : path_(std::move(path)), temporary_(path_.string() + ".tmp-" + std::to_string(::getpid())) {
  if (fs::is_directory(path_)) {
    throw Error("is a folder", path_.string(), "give the name of a file");
  }
  fd_ = ::open(temporary_.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (fd_ < 0) fail_io("cannot create", path_, errno);
}

AtomicFile::~AtomicFile() {
  if (fd_ < 0) return;
  ::close(fd_);
  ::unlink(temporary_.c_str());
}

void AtomicFile::write(std::span<const std::byte> bytes) {
  write_at(size_bytes_, bytes);
  size_bytes_ += bytes.size();
}

void AtomicFile::write_at(uint64_t offset, std::span<const std::byte> bytes) {
  if (!write_fully(fd_, offset, bytes)) fail_io("cannot write", path_, errno);
}

void AtomicFile::commit() {
  if (::fsync(fd_) != 0) fail_io("cannot sync", path_, errno);
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) fail_io("cannot rename", path_, errno);
  ::close(std::exchange(fd_, -1));
  sync_path(folder_of(path_), O_RDONLY | O_DIRECTORY);
}

void write_file_atomically(const fs::path& path, std::string_view text) {
  AtomicFile file(path);
  file.write(text);
  file.commit();
}

AtomicDirectory::AtomicDirectory(fs::path final_path, std::string_view key, Start start)
    : final_(without_trailing_slash(std::move(final_path))),
      work_(final_.string() + ".tmp-" + std::string(key)) {
  std::error_code code;
  if (fs::exists(final_, code) && !(fs::is_directory(final_, code) && fs::is_empty(final_, code))) {
    throw Error("exists already", final_.string(), "give a new folder or remove this one");
  }
  if (start == Start::fresh) fs::remove_all(work_, code);
  resumed_ = fs::is_directory(work_, code);
  if (!resumed_ && !fs::create_directories(work_, code)) {
    fail_io("cannot create", final_, code ? code.value() : EEXIST);
  }
}

void AtomicDirectory::commit() {
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(work_)) {
    if (entry.is_regular_file()) sync_path(entry.path(), O_RDONLY);
    if (entry.is_directory()) sync_path(entry.path(), O_RDONLY | O_DIRECTORY);
  }
  sync_path(work_, O_RDONLY | O_DIRECTORY);
  // rename(2) replaces an empty folder and refuses a full one.
  if (::rename(work_.c_str(), final_.c_str()) != 0) fail_io("cannot rename", final_, errno);
  sync_path(folder_of(final_), O_RDONLY | O_DIRECTORY);
}

void AtomicDirectory::discard() noexcept {
  std::error_code ignored;
  fs::remove_all(work_, ignored);
}

}  // namespace octavo
