#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "io/safetensors.h"

namespace octavo {

// The weight files of a checkpoint whose tensors are all known beforehand: every tensor has its
// place from the start, so a long job writes them in any order, and an interrupted one goes on in
// the files that it left. Not atomic by itself: lives in an AtomicDirectory.
class ShardWriter {
 public:
  // Lays the tensors out in order, a new file where one would pass `shard_bytes`. Files that are
  // there already with the same layout are kept, anything else is begun anew. Space is reserved at
  // once where the file system can: a disk too small is found out before the work. Throws Error
  // (failure) then.
  ShardWriter(const std::filesystem::path& directory, std::vector<TensorPlan> tensors,
              uint64_t shard_bytes);
  ~ShardWriter();
  ShardWriter(const ShardWriter&) = delete;
  ShardWriter& operator=(const ShardWriter&) = delete;

  // Bytes [offset, offset + bytes.size()) of a tensor. Throws Error (failure) on a full disk.
  void write(std::string_view tensor, uint64_t offset, std::span<const std::byte> bytes);
  // What was written is on the disk.
  void sync();
  // The index, where there is more than one file.
  void finish();

  uint64_t tensor_bytes() const { return total_; }
  // Where a tensor lies, for reading it back.
  struct Place {
    std::filesystem::path file;
    TensorEntry entry;
  };
  std::vector<Place> places() const;

 private:
  struct Shard {
    std::filesystem::path path;
    int fd = -1;
    bool dirty = false;
  };
  struct Slot {
    size_t shard = 0;
    uint64_t begin = 0;
    TensorPlan plan;
  };
  void open(Shard& shard, const std::string& header, uint64_t size) const;

  std::filesystem::path directory_;
  std::vector<Shard> shards_;
  std::map<std::string, Slot, std::less<>> slots_;
  std::vector<std::string> order_;
  uint64_t total_ = 0;
};

}  // namespace octavo
