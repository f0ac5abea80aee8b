#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "base/file.h"
#include "tensor/dtype.h"

namespace octavo {

// A tensor on disk: where its bytes lie, checked against the file.
struct TensorEntry {
  std::string name;
  DType dtype = DType::f32;
  std::vector<int64_t> shape;
  uint64_t begin = 0, bytes = 0;  // absolute in the file

  int64_t elements() const;
};

// The header of a safetensors file, read whole and checked: entries inside the data, as long as
// their shapes say, neither overlapping nor leaving gaps. Throws Error naming file and tensor.
std::vector<TensorEntry> read_safetensors_header(const File& file);

// One tensor to write. `bytes` must live until the writer is done.
struct TensorOut {
  std::string name;
  DType dtype = DType::f32;
  std::vector<int64_t> shape;
  std::span<const std::byte> bytes;
};

// The bytes that precede the data of a file holding these tensors in this order (length, JSON,
// padding to 8).
std::string safetensors_header(std::span<const TensorOut> tensors,
                               const std::map<std::string, std::string>& metadata = {});

// Writes a whole file. The caller gives a temporary path and renames (base/atomic_file.h). Throws
// Error (failure) on a full disk.
void write_safetensors(const std::filesystem::path& path, std::span<const TensorOut> tensors,
                       const std::map<std::string, std::string>& metadata = {});

}  // namespace octavo
