#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "io/safetensors.h"
#include "io/weight_files.h"

namespace octavo {

// The named tensors of a model directory: safetensors or PyTorch's .bin, in one file or in shards
// (find_weight_files says which); or of a GGUF file with its parts, under the names that it gives.
// A prefix that a training wrapper put before every name is left out. Reads are bounds-checked and
// may run in several threads.
class Checkpoint {
 public:
  // Throws Error naming file and tensor when there are no weights or they are damaged.
  static Checkpoint open(const std::filesystem::path& path);
  // The tensors of one safetensors or .bin file.
  static Checkpoint open_file(const std::filesystem::path& file);

  // Null where there is no such tensor.
  const TensorEntry* find(std::string_view name) const;
  // Throws Error naming the tensor where there is none.
  const TensorEntry& get(std::string_view name) const;
  std::vector<std::string> names() const;

  // Fills `out` from byte `offset` of the tensor, in the order of its shape. Both are whole
  // elements where the tensor has strides. Throws Error past its end.
  void read(const TensorEntry& entry, uint64_t offset, std::span<std::byte> out) const;
  std::vector<std::byte> read_all(const TensorEntry& entry) const;
  // True when two tensors have equal bytes; those of one storage are not read.
  bool same_bytes(const TensorEntry& a, const TensorEntry& b) const;
  // The kernel may forget these bytes of the page cache.
  void drop(const TensorEntry& entry) const;

  const std::filesystem::path& directory() const { return directory_; }  // or the GGUF file
  uint64_t total_bytes() const;
  // "DIR/model.safetensors, tensor NAME", for messages.
  std::string where(std::string_view tensor) const;

 private:
  struct Place {
    size_t file;
    TensorEntry entry;
  };
  void add_file(const std::filesystem::path& path);
  void add_gguf(const std::filesystem::path& path);
  void add(File file, std::vector<TensorEntry> entries);
  // Throws Error where the index names a tensor that its shard does not hold.
  void check_index(const WeightFiles& found) const;
  void strip_wrappers();
  const Place& place(std::string_view name) const;

  std::filesystem::path directory_;
  std::vector<File> files_;
  std::unordered_map<std::string, Place> tensors_;
};

}  // namespace octavo
