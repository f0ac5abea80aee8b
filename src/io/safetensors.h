#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "base/atomic_file.h"
#include "base/file.h"
#include "tensor/block.h"
#include "tensor/dtype.h"

namespace octavo {

// A tensor on disk: where its bytes lie, checked against the file.
struct TensorEntry {
  std::string name;
  DType dtype = DType::f32;
  BlockType block = BlockType::none;  // else `dtype` says nothing (GGUF)
  std::vector<int64_t> shape;
  uint64_t begin = 0, bytes = 0;      // absolute in the file; bytes of the elements alone
  std::vector<int64_t> strides = {};  // in elements; empty: contiguous

  int64_t elements() const;
  std::string_view type_name() const;  // "BF16", "Q4_K"
};

// The header of a safetensors file, read whole and checked: entries inside the data, as long as
// their shapes say, neither overlapping nor leaving gaps. Throws Error naming file and tensor.
std::vector<TensorEntry> read_safetensors_header(const File& file);

// One tensor of a file to be written.
struct TensorPlan {
  std::string name;
  DType dtype = DType::f32;
  std::vector<int64_t> shape;

  uint64_t bytes() const;
};

// The bytes that precede the data of a file holding these tensors in this order (length, JSON,
// padding to 8).
std::string safetensors_header(std::span<const TensorPlan> tensors,
                               const std::map<std::string, std::string>& metadata = {});

// Writes a file whose tensors are known beforehand and whose data comes in order, piece by piece.
// It appears under its name on finish(), not before. Throws Error (failure) on a full disk.
class SafetensorsWriter {
 public:
  SafetensorsWriter(const std::filesystem::path& path, std::span<const TensorPlan> tensors,
                    const std::map<std::string, std::string>& metadata = {});

  void append(std::span<const std::byte> bytes);
  void finish();  // REQUIRES: as many bytes appended as the plan has

 private:
  AtomicFile file_;
  uint64_t missing_bytes_ = 0;
};

}  // namespace octavo
