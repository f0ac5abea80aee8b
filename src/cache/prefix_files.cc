#include "cache/prefix_files.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <optional>
#include <tuple>
#include <utility>
#include <vector>

#include "base/check.h"
#include "octavo/error.h"

namespace octavo {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kMagic = "octavo kv block";
constexpr uint32_t kVersion = 1;
constexpr std::string_view kSuffix = ".kv", kTemporary = ".tmp-";

// Before the payload: magic, version, identity, key, payload bytes; then the SHA-256 over all that
// and the payload.
constexpr size_t kPlainBytes = 16 + 4 + 32 + 32 + 8;
constexpr size_t kHeaderBytes = kPlainBytes + 32;
using Header = std::array<std::byte, kHeaderBytes>;

void put_number(std::byte*& at, uint64_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) *at++ = static_cast<std::byte>(value >> (8 * i));
}
void put_bytes(std::byte*& at, const void* data, size_t bytes) {
  std::memcpy(at, data, bytes);
  at += bytes;
}

Header header_of(const Digest& identity, const BlockKey& key, std::span<const std::byte> payload) {
  Header header{};
  std::byte* at = header.data();
  put_bytes(at, kMagic.data(), kMagic.size());
  *at++ = std::byte{0};
  put_number(at, kVersion, 4);
  put_bytes(at, identity.data(), identity.size());
  put_bytes(at, key.bytes.data(), key.bytes.size());
  put_number(at, payload.size(), 8);
  Sha256 sha;
  sha.add(std::span(header).first(kPlainBytes));
  sha.add(payload);
  const Digest sum = sha.finish();
  put_bytes(at, sum.data(), sum.size());
  return header;
}

std::string hex(std::span<const uint8_t> bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const uint8_t byte : bytes) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

int digit_of(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool is_hex(std::string_view text, size_t digits) {
  return text.size() == digits &&
         std::ranges::all_of(text, [](char c) { return digit_of(c) >= 0; });
}

std::optional<BlockKey> key_of(std::string_view name) {
  if (!name.ends_with(kSuffix)) return std::nullopt;
  name.remove_suffix(kSuffix.size());
  BlockKey key;
  if (!is_hex(name, 2 * key.bytes.size())) return std::nullopt;
  for (size_t i = 0; i < key.bytes.size(); ++i) {
    key.bytes[i] = static_cast<uint8_t>(digit_of(name[2 * i]) << 4 | digit_of(name[2 * i + 1]));
  }
  return key;
}

// A temporary file "KEY.kv.tmp-PID-N" whose writer is gone.
bool is_abandoned(std::string_view name) {
  const size_t mark = name.rfind(kTemporary);
  if (mark == std::string_view::npos) return false;
  const std::string_view digits = name.substr(mark + kTemporary.size());
  pid_t writer = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), writer);
  return writer > 0 && writer != ::getpid() && ::kill(writer, 0) != 0 && errno == ESRCH;
}

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  explicit operator bool() const { return fd_ >= 0; }
  int get() const { return fd_; }

 private:
  int fd_;
};

bool read_all(int fd, std::span<std::byte> out) {
  while (!out.empty()) {
    const ssize_t got = ::read(fd, out.data(), out.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    out = out.subspan(got);
  }
  return true;
}

bool write_all(int fd, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t put = ::write(fd, bytes.data(), bytes.size());
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) return false;
    bytes = bytes.subspan(put);
  }
  return true;
}

// What is at the path: a block, nothing (another process may have removed it), or something else.
enum class Found : uint8_t { block, nothing, other };

Found read_block(const fs::path& path, const Digest& identity, const BlockKey& key,
                 std::span<std::byte> payload) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!file) return errno == ENOENT ? Found::nothing : Found::other;
  struct stat info {};
  if (::fstat(file.get(), &info) != 0 || !S_ISREG(info.st_mode)) return Found::other;
  if (static_cast<uint64_t>(info.st_size) != kHeaderBytes + payload.size()) return Found::other;
  Header header;
  if (!read_all(file.get(), header) || !read_all(file.get(), payload)) return Found::other;
  if (header != header_of(identity, key, payload)) return Found::other;
  ::futimens(file.get(), nullptr);  // the latest used, after a restart too
  return Found::block;
}

}  // namespace

size_t PrefixFiles::Hash::operator()(const BlockKey& key) const noexcept {
  size_t value;
  std::memcpy(&value, key.bytes.data(), sizeof(value));
  return value;
}

PrefixFiles::PrefixFiles(const Options& options)
    : options_(options), own_(options.folder / hex(std::span(options.identity).first<16>())) {
  std::error_code error;
  fs::create_directories(own_, error);
  if (error || ::access(own_.c_str(), R_OK | W_OK | X_OK) != 0) {
    throw Error("the folder of the prefix cache cannot be used" +
                    (error ? ": " + error.message() : std::string()),
                own_.string(), "give --prefix-cache-dir a folder that may be written");
  }
  fs::permissions(own_, fs::perms::owner_all, error);  // it holds what users wrote
  scan();
}

fs::path PrefixFiles::path_of(const BlockKey& key) const {
  return own_ / (hex(key.bytes) + std::string(kSuffix));
}

void PrefixFiles::scan() {
  std::vector<std::tuple<fs::file_time_type, Entry>> found;
  std::error_code error;
  for (const auto& folder : fs::directory_iterator(options_.folder, error)) {
    if (!is_hex(folder.path().filename().string(), 32) || !folder.is_directory(error)) continue;
    const bool own = folder.path() == own_;
    for (const auto& file : fs::directory_iterator(folder.path(), error)) {
      const std::string name = file.path().filename().string();
      if (is_abandoned(name)) fs::remove(file.path(), error);
      const auto key = key_of(name);
      if (!key || !file.is_regular_file(error)) continue;
      const auto bytes = static_cast<int64_t>(file.file_size(error));
      if (error) continue;
      found.emplace_back(file.last_write_time(error), Entry{file.path(), bytes, own, *key});
    }
  }
  std::ranges::sort(found, {}, [](const auto& item) { return std::get<0>(item); });
  const std::lock_guard lock(mutex_);
  for (auto& [time, entry] : found) {
    entries_.push_back(std::move(entry));
    const Entry& last = entries_.back();
    counts_.bytes += last.bytes;
    if (!last.own) continue;
    known_[last.key] = std::prev(entries_.end());
    ++counts_.blocks;
  }
  make_room(0);
}

bool PrefixFiles::has(const BlockKey& key) const {
  const std::lock_guard lock(mutex_);
  return known_.contains(key);
}

bool PrefixFiles::read(const BlockKey& key, std::span<std::byte> payload) {
  OCTAVO_CHECK(static_cast<int64_t>(payload.size()) == options_.block_bytes);
  if (!has(key)) return false;
  const Found found = read_block(path_of(key), options_.identity, key, payload);
  if (found == Found::other) reject(key);
  const std::lock_guard lock(mutex_);
  const auto known = known_.find(key);
  if (found == Found::nothing && known != known_.end()) erase(known->second);
  if (found != Found::block) return false;
  ++counts_.read;
  if (known != known_.end()) entries_.splice(entries_.end(), entries_, known->second);
  return true;
}

bool PrefixFiles::write(const BlockKey& key, std::span<const std::byte> payload) {
  OCTAVO_CHECK(static_cast<int64_t>(payload.size()) == options_.block_bytes);
  const auto bytes = static_cast<int64_t>(kHeaderBytes + payload.size());
  const fs::path path = path_of(key);
  fs::path temporary = path;
  {
    const std::lock_guard lock(mutex_);
    if (known_.contains(key)) return true;
    if (bytes > options_.max_bytes) return false;
    make_room(bytes);
    temporary +=
        std::string(kTemporary) + std::to_string(::getpid()) + "-" + std::to_string(temporaries_++);
  }
  bool whole = false;
  {
    const Descriptor file(
        ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
    whole = file && write_all(file.get(), header_of(options_.identity, key, payload)) &&
            write_all(file.get(), payload);
  }
  whole = whole && ::rename(temporary.c_str(), path.c_str()) == 0;
  if (!whole) ::unlink(temporary.c_str());
  const std::lock_guard lock(mutex_);
  if (!whole) {
    ++counts_.failures;
    return false;
  }
  if (known_.contains(key)) return true;  // another writer was faster with the same bytes
  entries_.push_back({path, bytes, true, key});
  known_[key] = std::prev(entries_.end());
  ++counts_.blocks;
  ++counts_.written;
  counts_.bytes += bytes;
  return true;
}

void PrefixFiles::make_room(int64_t bytes) {
  while (!entries_.empty() && counts_.bytes + bytes > options_.max_bytes) {
    ::unlink(entries_.front().path.c_str());
    erase(entries_.begin());
  }
}

void PrefixFiles::erase(Entries::iterator entry) {
  counts_.bytes -= entry->bytes;
  if (entry->own) {
    --counts_.blocks;
    known_.erase(entry->key);
  }
  entries_.erase(entry);
}

void PrefixFiles::reject(const BlockKey& key) {
  remove(key);
  const std::lock_guard lock(mutex_);
  ++counts_.rejected;
}

void PrefixFiles::remove(const BlockKey& key) {
  const std::lock_guard lock(mutex_);
  const auto known = known_.find(key);
  if (known == known_.end()) return;
  std::error_code ignored;
  fs::remove(known->second->path, ignored);
  erase(known->second);
}

void PrefixFiles::clear() {
  const std::lock_guard lock(mutex_);
  for (auto entry = entries_.begin(); entry != entries_.end();) {
    const auto next = std::next(entry);
    if (entry->own) {
      ::unlink(entry->path.c_str());
      erase(entry);
    }
    entry = next;
  }
}

PrefixFiles::Counts PrefixFiles::counts() const {
  const std::lock_guard lock(mutex_);
  return counts_;
}

}  // namespace octavo
