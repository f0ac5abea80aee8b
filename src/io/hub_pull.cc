#include "io/hub_pull.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/atomic_file.h"
#include "io/file_digest.h"
#include "io/hub_http.h"
#include "octavo/error.h"

namespace octavo {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxListingBytes = size_t{64} << 20;

[[noreturn]] void fail(const char* doing, const fs::path& path, int code) {
  const bool space = code == ENOSPC || code == EDQUOT || code == EFBIG;
  throw Error(std::string(doing) + ": " + std::strerror(code), path.string(),
              space ? "free some space, then run the same command to go on"
                    : "check the folder and its permissions",
              Error::Kind::failure);
}

// What of a file is there so far. Only one process at a time may add to it.
class Partial {
 public:
  explicit Partial(fs::path path) : path_(std::move(path)) {
    fd_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (fd_ < 0) fail("cannot create", path_, errno);
    if (::flock(fd_, LOCK_EX | LOCK_NB) != 0) {
      ::close(fd_);
      throw Error("another process is fetching this file", path_.string(), "wait for it to end",
                  Error::Kind::failure);
    }
    bytes_ = static_cast<uint64_t>(::lseek(fd_, 0, SEEK_END));
  }
  ~Partial() { ::close(fd_); }
  Partial(const Partial&) = delete;
  Partial& operator=(const Partial&) = delete;

  uint64_t bytes() const { return bytes_; }
  // Forgets everything from `from` on.
  void cut(uint64_t from) {
    if (::ftruncate(fd_, static_cast<off_t>(from)) != 0) fail("cannot write", path_, errno);
    bytes_ = from;
  }
  void append(std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
      const ssize_t wrote = ::pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(bytes_));
      if (wrote < 0 && errno == EINTR) continue;
      if (wrote <= 0) fail("cannot write", path_, wrote < 0 ? errno : ENOSPC);
      bytes_ += static_cast<uint64_t>(wrote);
      bytes = bytes.subspan(static_cast<size_t>(wrote));
    }
  }
  void rename_to(const fs::path& target) {
    if (::fsync(fd_) != 0) fail("cannot sync", path_, errno);
    if (::rename(path_.c_str(), target.c_str()) != 0) fail("cannot rename", path_, errno);
  }
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
  int fd_ = -1;
  uint64_t bytes_ = 0;
};

std::string digest_of(const fs::path& path, const HubFile& file) {
  return file.is_large ? sha256_of(path) : git_blob_id_of(path);
}

// "a b/c" as a part of an address.
std::string escaped(const std::string& name) {
  constexpr char kDigits[] = "0123456789ABCDEF";
  std::string text;
  for (const unsigned char c : name) {
    const bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                       std::strchr("-_.~/", c) != nullptr;
    if (plain) {
      text += static_cast<char>(c);
    } else {
      text += {'%', kDigits[c >> 4], kDigits[c & 15]};
    }
  }
  return text;
}

void make_folder(const fs::path& path) {
  std::error_code code;
  fs::create_directories(path, code);
  if (code) fail("cannot create", path, code.value());
}

class Pull {
 public:
  Pull(const HubSettings& settings, const PullRequest& request,
       const std::function<void(uint64_t, uint64_t)>& progress)
      : settings_(settings),
        request_(request),
        progress_(progress),
        repository_(settings.cache, request.name),
        http_(settings.endpoint, settings.token) {}

  PullResult run() {
    const std::string url = settings_.endpoint + "/api/models/" + request_.name.repository +
                            "/revision/" + escaped_revision() + "?blobs=true";
    const HubListing listing = HubListing::parse(http_.get(url, kMaxListingBytes), url);
    const std::vector<HubFile> files = select_files(listing, request_.selection);
    if (files.empty())
      throw Error("no file to fetch", request_.name.repository,
                  "look at its files and choose with --include");
    result_.commit = listing.commit;
    result_.path = in_cache() ? repository_.snapshot(listing.commit) : request_.directory;
    for (const HubFile& file : files) result_.bytes += file.bytes;
    make_folder(in_cache() ? repository_.blob("x").parent_path() : request_.directory);
    check_space(files);
    for (const HubFile& file : files) {
      fetch(file);
      done_ += file.bytes;
      ++result_.files;
      progress_(done_, result_.bytes);
    }
    if (in_cache()) {
      make_folder(repository_.ref().parent_path());
      write_file_atomically(repository_.ref(), listing.commit);
    }
    return result_;
  }

 private:
  bool in_cache() const { return request_.directory.empty(); }
  // A slash in a branch's name is no separator here.
  std::string escaped_revision() const {
    std::string text = escaped(request_.name.revision);
    for (size_t at; (at = text.find('/')) != std::string::npos;) text.replace(at, 1, "%2F");
    return text;
  }
  fs::path place_of(const HubFile& file) const {
    return in_cache() ? repository_.blob(file.checksum) : request_.directory / file.name;
  }
  static bool is_whole(const fs::path& path, const HubFile& file) {
    std::error_code ignored;
    return fs::is_regular_file(path, ignored) && fs::file_size(path, ignored) == file.bytes;
  }

  void check_space(const std::vector<HubFile>& files) const {
    uint64_t missing = 0;
    for (const HubFile& file : files) {
      std::error_code ignored;
      const fs::path place = place_of(file);
      if (is_whole(place, file)) continue;
      const auto partial = fs::file_size(place.string() + ".incomplete", ignored);
      missing += file.bytes - (ignored ? 0 : std::min<uint64_t>(partial, file.bytes));
    }
    std::error_code code;
    const fs::path folder = in_cache() ? repository_.blob("x").parent_path() : request_.directory;
    const fs::space_info space = fs::space(folder, code);
    if (!code && space.available < missing) {
      throw Error("disk has room for " + std::to_string(space.available >> 20) + " MiB of " +
                      std::to_string(missing >> 20),
                  folder.string(), "free some space or set HF_HOME to another disk",
                  Error::Kind::failure);
    }
  }

  void fetch(const HubFile& file) {
    const fs::path place = place_of(file);
    make_folder(place.parent_path());
    // A blob is named after its content; a plain file may be another one of the same size.
    if (!is_whole(place, file) || (!in_cache() && digest_of(place, file) != file.checksum))
      download(file, place);
    if (in_cache()) link(file, place);
  }

  // Twice at most: what was there from before may have been damaged.
  void download(const HubFile& file, const fs::path& place) {
    Partial partial(place.string() + ".incomplete");
    if (partial.bytes() > file.bytes) partial.cut(0);
    const std::string url = settings_.endpoint + "/" + request_.name.repository + "/resolve/" +
                            result_.commit + "/" + escaped(file.name);
    for (int attempt = 0; attempt < 2; ++attempt) {
      transfer(url, file, partial);
      if (partial.bytes() == file.bytes && digest_of(partial.path(), file) == file.checksum) {
        partial.rename_to(place);
        ++result_.fetched_files;
        return;
      }
      partial.cut(0);
    }
    std::error_code ignored;
    fs::remove(partial.path(), ignored);
    throw Error("checksum differs from the hub's", file.name,
                "try again later; if it stays, the hub or something on the way alters the file",
                Error::Kind::failure);
  }

  void transfer(const std::string& url, const HubFile& file, Partial& partial) {
    if (partial.bytes() == file.bytes && file.bytes > 0) return;
    http_.download(url, {.begin =
                             [&](uint64_t from) {
                               // A server that begins elsewhere than asked: from the start, or not
                               // at all.
                               if (from > partial.bytes()) from = 0;
                               partial.cut(from);
                             },
                         .write =
                             [&](std::span<const std::byte> bytes) {
                               if (bytes.size() > file.bytes - partial.bytes())
                                 bytes = bytes.first(file.bytes - partial.bytes());
                               partial.append(bytes);
                               result_.fetched_bytes += bytes.size();
                               progress_(done_ + partial.bytes(), result_.bytes);
                             },
                         .have = [&] { return partial.bytes(); },
                         .bytes = file.bytes});
  }

  // snapshots/COMMIT/a/b → ../../../blobs/CHECKSUM
  void link(const HubFile& file, const fs::path& blob) const {
    const fs::path name = repository_.snapshot(result_.commit) / file.name;
    make_folder(name.parent_path());
    const fs::path target = fs::path(blob).lexically_relative(name.parent_path());
    std::error_code code;
    if (fs::read_symlink(name, code) == target) return;
    const fs::path fresh = name.string() + ".link-" + std::to_string(::getpid());
    fs::remove(fresh, code);
    fs::create_symlink(target, fresh, code);
    if (!code) fs::rename(fresh, name, code);
    if (code) fail("cannot link", name, code.value());
  }

  const HubSettings& settings_;
  const PullRequest& request_;
  const std::function<void(uint64_t, uint64_t)>& progress_;
  HubRepository repository_;
  HubHttp http_;
  PullResult result_;
  uint64_t done_ = 0;  // of the files before the one at hand
};

}  // namespace

PullResult pull(const HubSettings& settings, const PullRequest& request,
                const std::function<void(uint64_t done, uint64_t all)>& progress) {
  return Pull(settings, request, progress).run();
}

}  // namespace octavo
