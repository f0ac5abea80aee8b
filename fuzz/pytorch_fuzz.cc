// A hostile file of torch.save, in either form: refused with an Error, or every tensor it names can
// be read, whole and in parts, and takes no more memory than the file is long.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/check.h"
#include "base/memory_file.h"
#include "io/pytorch_file.h"
#include "io/strided_read.h"
#include "octavo/error.h"

using namespace octavo;

namespace {

void read(const File& file, const TensorEntry& entry, uint64_t offset, std::span<std::byte> out) {
  if (entry.strides.empty()) return file.read(entry.begin + offset, out);
  read_strided(file, entry, offset, out);
}

void read_tensor(const File& file, const TensorEntry& entry) {
  const int64_t size = size_bytes(entry.dtype);
  OCTAVO_CHECK(entry.bytes <= file.size_bytes() && entry.begin <= file.size_bytes());
  OCTAVO_CHECK(entry.elements() * size == static_cast<int64_t>(entry.bytes));
  OCTAVO_CHECK(entry.strides.empty() || entry.strides.size() == entry.shape.size());
  std::vector<std::byte> whole(entry.bytes);
  read(file, entry, 0, whole);
  const uint64_t middle = static_cast<uint64_t>(entry.elements() / 2 * size);
  std::vector<std::byte> rest(entry.bytes - middle);
  read(file, entry, middle, rest);
  OCTAVO_CHECK(std::equal(rest.begin(), rest.end(), whole.begin() + middle));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const MemoryFile memory({reinterpret_cast<const char*>(data), size});
  const File file(memory.path());
  std::vector<TensorEntry> entries;
  try {
    entries = read_pytorch_file(file);
  } catch (const Error&) {
    return 0;
  }
  // A few elements apart in a file can be named many times: bound the work, not the check.
  if (entries.size() > 64) entries.resize(64);
  for (const TensorEntry& entry : entries) read_tensor(file, entry);
  return 0;
}
