#pragma once

#include <filesystem>
#include <vector>

#include "base/file.h"
#include "io/gguf_metadata.h"
#include "io/safetensors.h"

namespace octavo {

// The header of a GGUF file (versions 2 and 3, little-endian), read whole and checked: lengths and
// counts against the file before anything is reserved, tensors inside the data and as long as their
// shapes say.
struct GgufHeader {
  GgufMetadata metadata;
  // Shapes in the usual order: [out, in] where the file writes in, out.
  std::vector<TensorEntry> tensors;
};

// Throws Error naming file and key or tensor.
GgufHeader read_gguf_header(const File& file);

// Whether this path means a GGUF file: a file, whatever its name, that begins as one, or a name
// that ends in .gguf.
bool is_gguf(const std::filesystem::path& path);

// The files of a model: `path` alone, or all parts where it is one of them
// (NAME-00001-of-00003.gguf), the first one first. Throws Error when a part is missing.
std::vector<std::filesystem::path> gguf_parts(const std::filesystem::path& path,
                                              const GgufMetadata& metadata);
// Throws Error when `metadata` is not of part `number`, counted from 0, of `count`.
void check_gguf_part(const GgufMetadata& metadata, size_t number, size_t count);

// The metadata of a model: of its first part. Throws Error.
GgufMetadata read_gguf_metadata(const std::filesystem::path& path);

}  // namespace octavo
