#include "io/shard_writer.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "base/atomic_file.h"
#include "base/check.h"
#include "base/file_error.h"
#include "base/json.h"

namespace octavo {
namespace {

namespace fs = std::filesystem;

std::string shard_name(size_t i, size_t count) {
  if (count == 1) return "model.safetensors";
  char text[64];
  std::snprintf(text, sizeof text, "model-%05zu-of-%05zu.safetensors", i + 1, count);
  return text;
}

void write_all(int fd, uint64_t offset, std::span<const std::byte> bytes, const fs::path& path) {
  if (!write_fully(fd, offset, bytes)) fail_io("cannot write", path, errno);
}

// Whether the file begins with this header and has this size.
bool holds(int fd, const std::string& header, uint64_t size) {
  struct stat status = {};
  if (::fstat(fd, &status) != 0 || static_cast<uint64_t>(status.st_size) != size) return false;
  std::string found(header.size(), '\0');
  return ::pread(fd, found.data(), found.size(), 0) == static_cast<ssize_t>(found.size()) &&
         found == header;
}

}  // namespace

ShardWriter::ShardWriter(const fs::path& directory, std::vector<TensorPlan> tensors,
                         uint64_t shard_bytes)
    : directory_(directory) {
  std::vector<std::vector<TensorPlan>> groups(1);
  uint64_t bytes = 0;
  for (TensorPlan& tensor : tensors) {
    const uint64_t more = tensor.bytes();
    if (bytes > 0 && bytes + more > shard_bytes) {
      groups.emplace_back();
      bytes = 0;
    }
    bytes += more;
    total_ += more;
    groups.back().push_back(std::move(tensor));
  }
  shards_.reserve(groups.size());
  for (size_t i = 0; i < groups.size(); ++i) {
    const std::string header = safetensors_header(groups[i], {{"format", "pt"}});
    uint64_t at = header.size();
    for (TensorPlan& tensor : groups[i]) {
      const uint64_t size = tensor.bytes();
      order_.push_back(tensor.name);
      slots_.emplace(order_.back(), Slot{i, at, std::move(tensor)});
      at += size;
    }
    shards_.push_back({.path = directory / shard_name(i, groups.size())});
    open(shards_.back(), header, at);
  }
}

ShardWriter::~ShardWriter() {
  for (const Shard& shard : shards_) {
    if (shard.fd >= 0) ::close(shard.fd);
  }
}

void ShardWriter::open(Shard& shard, const std::string& header, uint64_t size) const {
  shard.fd = ::open(shard.path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (shard.fd < 0) fail_io("cannot create", shard.path, errno);
  if (holds(shard.fd, header, size)) return;
  if (::ftruncate(shard.fd, 0) != 0) fail_io("cannot write", shard.path, errno);
  if (::fallocate(shard.fd, 0, 0, static_cast<off_t>(size)) != 0) {
    const int code = errno;
    if (code == ENOSPC || code == EFBIG || code == EDQUOT)
      fail_io("cannot write", shard.path, code);
    if (::ftruncate(shard.fd, static_cast<off_t>(size)) != 0)
      fail_io("cannot write", shard.path, errno);
  }
  write_all(shard.fd, 0, std::as_bytes(std::span(header)), shard.path);
  shard.dirty = true;
}

void ShardWriter::write(std::string_view tensor, uint64_t offset,
                        std::span<const std::byte> bytes) {
  const auto found = slots_.find(tensor);
  OCTAVO_CHECK(found != slots_.end());
  const Slot& slot = found->second;
  OCTAVO_CHECK(offset + bytes.size() <= slot.plan.bytes());
  Shard& shard = shards_[slot.shard];
  write_all(shard.fd, slot.begin + offset, bytes, shard.path);
  shard.dirty = true;
}

void ShardWriter::sync() {
  for (Shard& shard : shards_) {
    if (!shard.dirty) continue;
    if (::fdatasync(shard.fd) != 0) fail_io("cannot sync", shard.path, errno);
    shard.dirty = false;
  }
}

void ShardWriter::finish() {
  sync();
  if (shards_.size() < 2) return;
  Json map = Json::object();
  for (const auto& [name, slot] : slots_) map[name] = shards_[slot.shard].path.filename().string();
  const Json index = {{"metadata", {{"total_size", total_}}}, {"weight_map", std::move(map)}};
  write_file_atomically(directory_ / "model.safetensors.index.json", index.dump(2) + "\n");
}

std::vector<ShardWriter::Place> ShardWriter::places() const {
  std::vector<Place> places;
  for (const std::string& name : order_) {
    const Slot& slot = slots_.find(name)->second;
    places.push_back({shards_[slot.shard].path,
                      {.name = name,
                       .dtype = slot.plan.dtype,
                       .shape = slot.plan.shape,
                       .begin = slot.begin,
                       .bytes = slot.plan.bytes()}});
  }
  return places;
}

}  // namespace octavo
