// A hostile GGUF file: refused with an Error, or every tensor lies inside it, and what is made of
// its metadata (config, spec, tokenizer, templates) is made or refused as well.
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "base/memory_file.h"
#include "io/gguf.h"
#include "model/companions.h"
#include "model/derive.h"
#include "model/source.h"
#include "octavo/error.h"

using namespace octavo;

namespace {

void read_tensors(const File& file, const std::vector<TensorEntry>& entries) {
  for (const TensorEntry& entry : entries) {
    OCTAVO_CHECK(entry.begin <= file.size_bytes());
    OCTAVO_CHECK(entry.bytes <= file.size_bytes() - entry.begin);
    std::vector<std::byte> data(entry.bytes);
    file.read(entry.begin, data);
    if (entry.block == BlockType::none) continue;
    std::vector<float> values(static_cast<size_t>(entry.elements()));
    dequantize(entry.block, data.data(), entry.elements(), values.data());
  }
}

template <class Make>
void try_to(Make make) {
  try {
    make();
  } catch (const Error&) {
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const MemoryFile memory({reinterpret_cast<const char*>(data), size});
  try_to([&] {
    const File file(memory.path());
    read_tensors(file, read_gguf_header(file).tensors);
  });
  if (!is_gguf(memory.path())) return 0;
  try_to([&] {
    const ModelSource source = ModelSource::open(memory.path());
    for (size_t i = 0; i < source.spec.layers.size(); ++i)
      layer_matrices(source.spec, static_cast<int64_t>(i), "");
  });
  try_to([&] { read_tokenizer(memory.path()).encode("A text, 123 <s>"); });
  try_to([&] { read_templates(memory.path()).pick(false); });
  return 0;
}
