#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace octavo {

// A file that appears under its name only when it is whole: written as NAME.tmp-PID beside it,
// synced and renamed by commit(). Destroyed without commit, it leaves nothing. A full disk or any
// other failed write throws Error (kind failure) naming the final path.
class AtomicFile {
 public:
  explicit AtomicFile(std::filesystem::path path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(std::span<const std::byte> bytes);  // appends
  void write(std::string_view text) { write(std::as_bytes(std::span(text.data(), text.size()))); }
  // At a place of the file, for headers that are known last. Leaves the end of appends alone.
  void write_at(uint64_t offset, std::span<const std::byte> bytes);
  void commit();  // fsync, close, rename over the final name, fsync of the folder
  uint64_t size_bytes() const { return size_bytes_; }  // appended so far

 private:
  std::filesystem::path path_, temporary_;
  int fd_ = -1;
  uint64_t size_bytes_ = 0;
};

// The whole of a small file at once.
void write_file_atomically(const std::filesystem::path& path, std::string_view text);

// A folder that appears under its name only when whole. Work goes into path(), a sibling
// NAME.tmp-KEY; a later run with the same key finds what an interrupted one left there (resume).
// commit() syncs every file and renames.
class AtomicDirectory {
 public:
  enum class Start : uint8_t { fresh, resume };  // fresh: removes what lies in NAME.tmp-KEY

  // Throws Error (kind request) when `final_path` exists and is not an empty folder.
  AtomicDirectory(std::filesystem::path final_path, std::string_view key, Start start);
  // Keeps the work folder: an interrupted job resumes from it. discard() removes it.
  ~AtomicDirectory() = default;
  AtomicDirectory(const AtomicDirectory&) = delete;
  AtomicDirectory& operator=(const AtomicDirectory&) = delete;

  const std::filesystem::path& path() const { return work_; }
  const std::filesystem::path& final_path() const { return final_; }
  bool resumed() const { return resumed_; }  // the work folder was there
  void commit();
  void discard() noexcept;

 private:
  std::filesystem::path final_, work_;
  bool resumed_ = false;
};

}  // namespace octavo
