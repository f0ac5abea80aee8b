#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>

#include "base/file.h"

namespace octavo {

// The table of contents of a zip archive whose entries are stored, not compressed: where each
// entry's bytes lie. Zip64 as well (PKWARE's APPNOTE 6.3.9, sections 4.3 and 4.5.3).
class ZipDirectory {
 public:
  struct Place {
    uint64_t begin = 0, bytes = 0;  // absolute in the file, inside of it
  };

  // REQUIRES: `file` outlives this. Throws Error naming the file when it is damaged.
  explicit ZipDirectory(const File& file);

  bool has(const std::string& name) const { return entries_.contains(name); }
  // Throws Error naming file and entry: when missing, compressed, encrypted or outside of the file.
  Place get(const std::string& name) const;
  // The folder that all names begin with, with its "/": PyTorch names it after the file.
  // Taken from the entry that ends in "/" + `tail`; throws Error when there is none.
  std::string folder_of(const std::string& tail) const;

 private:
  struct Entry {
    uint16_t flags, method;
    uint64_t packed_bytes, bytes, header;
  };
  void read_entries(uint64_t begin, uint64_t bytes, uint64_t count);

  const File* file_;
  uint64_t directory_ = 0;  // where the entries end
  std::unordered_map<std::string, Entry> entries_;
};

}  // namespace octavo
