#include "quant/states.h"

#include <fcntl.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "base/file_error.h"

namespace octavo::quant {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kPieceBytes = uint64_t{4} << 20;

constexpr const char* kWhenFull = "free some space, then go on with --resume";

bool read_at(int fd, uint64_t offset, void* data, uint64_t bytes) {
  auto* at = static_cast<std::byte*>(data);
  while (bytes > 0) {
    const ssize_t got = ::pread(fd, at, bytes, static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    offset += static_cast<uint64_t>(got), at += got, bytes -= static_cast<uint64_t>(got);
  }
  return true;
}

// Multiply and fold, eight bytes at a time: tells a file that was cut or overwritten, no more.
class Hash {
 public:
  void add(const std::byte* data, uint64_t bytes) {
    OCTAVO_CHECK(bytes % 4 == 0);
    for (uint64_t i = 0; i < bytes; i += 4) {
      uint32_t word;
      std::memcpy(&word, data + i, 4);
      state_ = (state_ ^ word) * 0x9E3779B97F4A7C15u;
      state_ ^= state_ >> 29;
    }
  }
  uint64_t value() const { return state_; }

 private:
  uint64_t state_ = 0x243F6A8885A308D3u;
};

bool hash_file(int fd, uint64_t bytes, uint64_t& value) {
  Hash hash;
  std::vector<std::byte> piece(static_cast<size_t>(std::min(kPieceBytes, bytes)));
  for (uint64_t at = 0; at < bytes; at += kPieceBytes) {
    const uint64_t size = std::min(kPieceBytes, bytes - at);
    if (!read_at(fd, at, piece.data(), size)) return false;
    hash.add(piece.data(), size);
  }
  value = hash.value();
  return true;
}

bool has_room(const fs::path& folder, uint64_t bytes) {
  struct statvfs status = {};
  if (::statvfs(folder.c_str(), &status) != 0) return false;
  return status.f_bavail * static_cast<uint64_t>(status.f_frsize) > 4 * bytes;
}

}  // namespace

States::States(fs::path folder, std::string name, int64_t rows, int64_t features,
               const Limits& limits)
    : folder_(std::move(folder)),
      name_(std::move(name)),
      rows_(rows),
      features_(features),
      limits_(limits) {
  const uint64_t bytes = static_cast<uint64_t>(rows * features) * sizeof(float);
  if (bytes <= limits.memory_bytes) memory_ = HugeBuffer(bytes);
}

States::~States() {
  if (current_ >= 0) ::close(current_);
  if (next_ >= 0) ::close(next_);
}

fs::path States::file_of(int64_t layer) const {
  return folder_ / (name_ + "-" + std::to_string(layer) + ".states");
}

void States::open_next() {
  next_ = ::open(file_of(next_layer_).c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (next_ < 0) fail_io("cannot create", file_of(next_layer_), errno, kWhenFull);
}

Mat States::all() {
  OCTAVO_CHECK(in_memory());
  return {reinterpret_cast<float*>(memory_.data()), {rows_, features_}};
}

void States::read(int64_t first_row, Mat out) const {
  OCTAVO_CHECK(first_row + out.rows() <= rows_ && out.cols() == features_ &&
               out.stride[0] == features_);
  const uint64_t offset = static_cast<uint64_t>(first_row * features_) * sizeof(float);
  const uint64_t bytes = static_cast<uint64_t>(out.rows() * features_) * sizeof(float);
  if (in_memory()) {
    std::memcpy(out.data, memory_.data() + offset, bytes);
  } else if (!read_at(current_, offset, out.data, bytes)) {
    fail_io("cannot read the hidden states", folder_, errno, kWhenFull);
  }
}

void States::write(int64_t first_row, ConstMat in) {
  OCTAVO_CHECK(first_row + in.rows() <= rows_ && in.cols() == features_ &&
               in.stride[0] == features_);
  const uint64_t offset = static_cast<uint64_t>(first_row * features_) * sizeof(float);
  const uint64_t bytes = static_cast<uint64_t>(in.rows() * features_) * sizeof(float);
  if (in_memory()) {
    if (in.data != reinterpret_cast<const float*>(memory_.data() + offset))
      std::memcpy(memory_.data() + offset, in.data, bytes);
    return;
  }
  if (next_ < 0) open_next();
  if (!write_fully(next_, offset, {reinterpret_cast<const std::byte*>(in.data), bytes}))
    fail_io("cannot write the hidden states", file_of(next_layer_), errno, kWhenFull);
}

void States::remove_old(int64_t keep) const {
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder_, ignored)) {
    const std::string file = entry.path().filename().string();
    if (file.starts_with(name_ + "-") && file.ends_with(".states") &&
        entry.path() != file_of(keep) && entry.path() != file_of(keep - 1) &&
        entry.path() != file_of(keep + 1))
      fs::remove(entry.path(), ignored);
  }
}

std::optional<uint64_t> States::advance(int64_t layer) {
  const uint64_t bytes = static_cast<uint64_t>(rows_ * features_) * sizeof(float);
  uint64_t hash = 0;
  remove_old(layer);
  if (!in_memory()) {
    OCTAVO_CHECK(layer == next_layer_);
    if (current_ >= 0) ::close(current_);
    current_ = std::exchange(next_, -1);
    next_layer_ = layer + 1;
    if (!limits_.keep || !hash_file(current_, bytes, hash)) return std::nullopt;
    return hash;
  }
  if (!limits_.keep || !has_room(folder_, bytes)) return std::nullopt;
  const fs::path path = file_of(layer);
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (fd < 0) return std::nullopt;
  const bool whole = write_fully(fd, 0, {memory_.data(), bytes});
  ::close(fd);
  if (!whole) {
    std::error_code ignored;
    fs::remove(path, ignored);
    return std::nullopt;
  }
  Hash sum;
  sum.add(memory_.data(), bytes);
  return sum.value();
}

bool States::restore(int64_t layer, uint64_t hash) {
  const uint64_t bytes = static_cast<uint64_t>(rows_ * features_) * sizeof(float);
  const int fd = ::open(file_of(layer).c_str(), O_RDWR | O_CLOEXEC);
  if (fd < 0) return false;
  uint64_t found = 0;
  bool good = hash_file(fd, bytes, found) && found == hash;
  if (good && in_memory()) good = read_at(fd, 0, memory_.data(), bytes);
  if (!good || in_memory()) {
    ::close(fd);
    return good;
  }
  if (current_ >= 0) ::close(current_);
  if (next_ >= 0) ::close(next_);
  next_ = -1;
  current_ = fd;
  next_layer_ = layer + 1;
  return true;
}

}  // namespace octavo::quant
