// A hostile safetensors file: its header is refused with an Error, or every tensor it names can be
// read and the writer's header for the same tensors reads back as the same.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/check.h"
#include "base/memory_file.h"
#include "io/safetensors.h"
#include "octavo/error.h"

using namespace octavo;

namespace {

void read_tensors(const File& file, const std::vector<TensorEntry>& entries) {
  for (const TensorEntry& entry : entries) {
    OCTAVO_CHECK(entry.bytes <= file.size_bytes() && entry.begin <= file.size_bytes());
    OCTAVO_CHECK(entry.elements() * size_bytes(entry.dtype) == static_cast<int64_t>(entry.bytes));
    std::vector<std::byte> data(entry.bytes);
    file.read(entry.begin, data);
  }
}

void write_again(std::vector<TensorEntry> entries) {
  std::vector<TensorPlan> plan;
  uint64_t data_bytes = 0;
  for (const TensorEntry& entry : entries) {
    plan.push_back({entry.name, entry.dtype, entry.shape});
    OCTAVO_CHECK(plan.back().bytes() == entry.bytes);
    data_bytes += entry.bytes;
  }
  const MemoryFile copy(safetensors_header(plan) + std::string(data_bytes, '\0'));
  const auto again = read_safetensors_header(File(copy.path()));
  OCTAVO_CHECK(std::equal(again.begin(), again.end(), entries.begin(), entries.end(),
                          [](const TensorEntry& a, const TensorEntry& b) {
                            return a.name == b.name && a.dtype == b.dtype && a.shape == b.shape &&
                                   a.bytes == b.bytes;
                          }));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const MemoryFile memory({reinterpret_cast<const char*>(data), size});
  const File file(memory.path());
  std::vector<TensorEntry> entries;
  try {
    entries = read_safetensors_header(file);
  } catch (const Error&) {
    return 0;
  }
  read_tensors(file, entries);
  write_again(std::move(entries));
  return 0;
}
