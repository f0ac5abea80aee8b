#include "io/zip_directory.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "octavo/error.h"

namespace octavo {
namespace {

constexpr uint32_t kLocalHeader = 0x04034b50, kCentralHeader = 0x02014b50;
constexpr uint32_t kEnd = 0x06054b50, kEnd64 = 0x06064b50, kEnd64Locator = 0x07064b50;
constexpr uint64_t kLocalBytes = 30, kCentralBytes = 46, kEndBytes = 22, kEnd64Bytes = 56,
                   kLocatorBytes = 20, kMaxComment = 65535;
constexpr uint64_t kMaxDirectoryBytes = uint64_t{256} << 20, kMaxEntries = 1'000'000;
constexpr uint16_t kEncrypted = 1, kExtra64 = 1;

[[noreturn]] void fail(const File& file, const std::string& problem) {
  throw Error(problem, file.path().string(),
              "the file is damaged or no PyTorch checkpoint: fetch it again");
}

// REQUIRES: the bytes are there.
template <class T>
T field(std::string_view bytes, size_t at) {
  T value;
  std::memcpy(&value, bytes.data() + at, sizeof(T));
  return value;
}

std::string read(const File& file, uint64_t begin, uint64_t bytes) {
  if (begin > file.size_bytes() || bytes > file.size_bytes() - begin)
    fail(file, "zip archive points outside of the file");
  std::string text(bytes, '\0');
  file.read(begin, std::as_writable_bytes(std::span(text)));
  return text;
}

struct Directory {
  uint64_t begin, bytes, count;
};

// The zip64 record, where the classic one at `end` has no room for its numbers.
std::optional<Directory> wide_directory(const File& file, uint64_t end) {
  if (end < kLocatorBytes) return std::nullopt;
  const std::string locator = read(file, end - kLocatorBytes, kLocatorBytes);
  if (field<uint32_t>(locator, 0) != kEnd64Locator) return std::nullopt;
  const std::string record = read(file, field<uint64_t>(locator, 8), kEnd64Bytes);
  if (field<uint32_t>(record, 0) != kEnd64) fail(file, "zip64 record is missing");
  return Directory{.begin = field<uint64_t>(record, 48),
                   .bytes = field<uint64_t>(record, 40),
                   .count = field<uint64_t>(record, 32)};
}

Directory find_directory(const File& file) {
  const uint64_t tail_bytes = std::min(file.size_bytes(), kEndBytes + kMaxComment);
  const uint64_t tail_begin = file.size_bytes() - tail_bytes;
  const std::string tail = read(file, tail_begin, tail_bytes);
  for (size_t at = tail.size() + 1 - std::min<size_t>(tail.size() + 1, kEndBytes); at-- > 0;) {
    // A record whose comment does not reach the end of the file is a chance match.
    if (field<uint32_t>(tail, at) != kEnd ||
        at + kEndBytes + field<uint16_t>(tail, at + 20) != tail.size())
      continue;
    if (const auto wide = wide_directory(file, tail_begin + at)) return *wide;
    return {.begin = field<uint32_t>(tail, at + 16),
            .bytes = field<uint32_t>(tail, at + 12),
            .count = field<uint16_t>(tail, at + 10)};
  }
  fail(file, "zip archive without its directory (file cut short?)");
}

}  // namespace

ZipDirectory::ZipDirectory(const File& file) : file_(&file) {
  const Directory found = find_directory(file);
  if (found.bytes > kMaxDirectoryBytes || found.count > kMaxEntries)
    fail(file, "directory of the zip archive is too large");
  directory_ = found.begin;
  read_entries(found.begin, found.bytes, found.count);
}

void ZipDirectory::read_entries(uint64_t begin, uint64_t bytes, uint64_t count) {
  const std::string all = read(*file_, begin, bytes);
  std::string_view rest = all;
  for (uint64_t i = 0; i < count; ++i) {
    if (rest.size() < kCentralBytes || field<uint32_t>(rest, 0) != kCentralHeader)
      fail(*file_, "zip directory holds fewer entries than it says");
    const size_t name_bytes = field<uint16_t>(rest, 28), extra_bytes = field<uint16_t>(rest, 30);
    const size_t whole = kCentralBytes + name_bytes + extra_bytes + field<uint16_t>(rest, 32);
    if (whole > rest.size()) fail(*file_, "zip directory ends early");
    Entry entry{.flags = field<uint16_t>(rest, 8),
                .method = field<uint16_t>(rest, 10),
                .packed_bytes = field<uint32_t>(rest, 20),
                .bytes = field<uint32_t>(rest, 24),
                .header = field<uint32_t>(rest, 42)};
    // Numbers that do not fit 32 bits stand in extra field 1, in this order.
    std::string_view extra = rest.substr(kCentralBytes + name_bytes, extra_bytes);
    while (extra.size() >= 4) {
      const size_t part_bytes = std::min<size_t>(field<uint16_t>(extra, 2), extra.size() - 4);
      std::string_view part = extra.substr(4, part_bytes);
      for (uint64_t* wide : {&entry.bytes, &entry.packed_bytes, &entry.header}) {
        if (field<uint16_t>(extra, 0) != kExtra64 || *wide != 0xFFFFFFFF || part.size() < 8)
          continue;
        *wide = field<uint64_t>(part, 0);
        part.remove_prefix(8);
      }
      extra.remove_prefix(4 + part_bytes);
    }
    const std::string name(rest.substr(kCentralBytes, name_bytes));
    if (!entries_.emplace(name, entry).second) fail(*file_, "zip entry " + name + " occurs twice");
    rest.remove_prefix(whole);
  }
}

ZipDirectory::Place ZipDirectory::get(const std::string& name) const {
  const auto found = entries_.find(name);
  if (found == entries_.end()) fail(*file_, "zip archive lacks " + name);
  const Entry& entry = found->second;
  if ((entry.flags & kEncrypted) != 0) fail(*file_, "zip entry " + name + " is encrypted");
  if (entry.method != 0 || entry.packed_bytes != entry.bytes) {
    throw Error("zip entry " + name + " is compressed", file_->path().string(),
                "PyTorch stores its entries plainly: load and save the file with PyTorch again");
  }
  const std::string local = read(*file_, entry.header, kLocalBytes);
  if (field<uint32_t>(local, 0) != kLocalHeader)
    fail(*file_, "zip entry " + name + " has no header");
  const uint64_t begin =
      entry.header + kLocalBytes + field<uint16_t>(local, 26) + field<uint16_t>(local, 28);
  if (begin > directory_ || entry.bytes > directory_ - begin)
    fail(*file_, "zip entry " + name + " lies outside of the archive");
  return {.begin = begin, .bytes = entry.bytes};
}

std::string ZipDirectory::folder_of(const std::string& tail) const {
  std::string found;  // the first by name, whatever the order of the hash table
  for (const auto& [name, entry] : entries_) {
    if (name.size() <= tail.size() + 1 || !name.ends_with("/" + tail)) continue;
    const std::string folder = name.substr(0, name.size() - tail.size());
    if (folder.find('/') == folder.size() - 1 && (found.empty() || folder < found)) found = folder;
  }
  if (found.empty()) fail(*file_, "zip archive lacks " + tail);
  return found;
}

}  // namespace octavo
