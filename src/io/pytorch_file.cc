#include "io/pytorch_file.h"

#include <algorithm>
#include <cstring>
#include <map>

#include "base/checked.h"
#include "io/pytorch_state.h"
#include "io/zip_directory.h"
#include "octavo/error.h"

namespace octavo {
namespace {

constexpr uint64_t kMaxPickleBytes = uint64_t{64} << 20;
constexpr std::string_view kZip = "PK\x03\x04";
// The pickle (protocol 2) of the number 0x1950a86a20f9469cfc6c, which opens the older form.
constexpr std::string_view kLegacy = "\x80\x02\x8a\x0al\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";

using Storages = std::map<std::string, ZipDirectory::Place>;

[[noreturn]] void fail(const File& file, const std::string& problem,
                       const std::string& tensor = {}) {
  throw Error(problem, file.path().string() + (tensor.empty() ? "" : ", tensor " + tensor),
              "the file is damaged or no PyTorch checkpoint: fetch it again");
}

bool begins_with(const File& file, std::string_view magic) {
  if (file.size_bytes() < magic.size()) return false;
  std::string head(magic.size(), '\0');
  file.read(0, std::as_writable_bytes(std::span(head)));
  return head == magic;
}

std::vector<std::byte> read(const File& file, const ZipDirectory::Place& place) {
  if (place.bytes > kMaxPickleBytes) fail(file, "pickle is too large");
  std::vector<std::byte> bytes(place.bytes);
  file.read(place.begin, bytes);
  return bytes;
}

bool is_contiguous(const TensorEntry& entry) {
  int64_t expected = 1;
  for (size_t i = entry.shape.size(); i-- > 0;) {
    if (entry.shape[i] == 1) continue;
    if (entry.strides[i] != expected) return false;
    expected *= entry.shape[i];
  }
  return true;
}

// A tensor as a view into the bytes of its storage: every element must lie within.
TensorEntry place_tensor(const File& file, PytorchTensor tensor, const ZipDirectory::Place& place) {
  const int64_t size = size_bytes(tensor.dtype);
  if (static_cast<uint64_t>(tensor.storage_bytes) > place.bytes)
    fail(file, "storage " + tensor.storage + " has fewer bytes than its tensors need", tensor.name);
  std::optional<int64_t> elements = 1, last = tensor.offset;  // last: index of the farthest element
  for (size_t i = 0; i < tensor.shape.size(); ++i) {
    if (elements) elements = checked_mul(*elements, tensor.shape[i]);
    const auto reach = checked_mul(std::max<int64_t>(tensor.shape[i] - 1, 0), tensor.strides[i]);
    if (last && reach) last = checked_add(*last, *reach);
    if (!reach) last.reset();
  }
  const int64_t held = tensor.storage_bytes / size;
  // Strides of zero repeat elements: a few bytes must not become a huge tensor.
  if (!elements || !last || *elements > held ||
      (*elements == 0 ? tensor.offset > held : *last >= held))
    fail(file, "shape and strides reach outside of storage " + tensor.storage, tensor.name);
  TensorEntry entry;
  entry.name = std::move(tensor.name);
  entry.dtype = tensor.dtype;
  entry.shape = std::move(tensor.shape);
  entry.strides = std::move(tensor.strides);
  entry.begin = place.begin + static_cast<uint64_t>(tensor.offset * size);
  entry.bytes = static_cast<uint64_t>(*elements * size);
  if (*elements == 0 || is_contiguous(entry)) entry.strides.clear();
  return entry;
}

std::vector<TensorEntry> place_all(const File& file, std::vector<PytorchTensor> tensors,
                                   const Storages& storages) {
  std::vector<TensorEntry> entries;
  for (PytorchTensor& tensor : tensors) {
    const auto found = storages.find(tensor.storage);
    if (found == storages.end())
      fail(file, "storage " + tensor.storage + " is missing", tensor.name);
    entries.push_back(place_tensor(file, std::move(tensor), found->second));
  }
  std::sort(entries.begin(), entries.end(),
            [](const TensorEntry& a, const TensorEntry& b) { return a.name < b.name; });
  for (size_t i = 1; i < entries.size(); ++i) {
    if (entries[i].name == entries[i - 1].name) fail(file, "tensor occurs twice", entries[i].name);
  }
  return entries;
}

std::vector<TensorEntry> read_zip(const File& file) {
  const ZipDirectory zip(file);
  const std::string folder = zip.folder_of("data.pkl"), where = file.path().string();
  if (zip.has(folder + "byteorder")) {
    const auto order = read(file, zip.get(folder + "byteorder"));
    if (order.size() == 3 && std::memcmp(order.data(), "big", 3) == 0)
      fail(file, "numbers are stored in big-endian order");
  }
  const std::vector<std::byte> bytes = read(file, zip.get(folder + "data.pkl"));
  const pickle::Document document = pickle::parse(bytes, pytorch_globals(), where);
  std::vector<PytorchTensor> tensors = read_pytorch_state(document, where);
  Storages storages;
  for (const PytorchTensor& tensor : tensors) {
    if (!storages.contains(tensor.storage))
      storages.emplace(tensor.storage, zip.get(folder + "data/" + tensor.storage));
  }
  return place_all(file, std::move(tensors), storages);
}

// Magic number, version, a dict about the writer, the object, the list of its storages' keys; then
// for each key its count of elements (8 bytes) and its bytes. PyTorch, torch/serialization.py,
// _legacy_save.
std::vector<TensorEntry> read_legacy(const File& file) {
  const std::string where = file.path().string();
  const std::vector<std::byte> bytes =
      read(file, {.begin = 0, .bytes = std::min(file.size_bytes(), kMaxPickleBytes)});
  size_t at = 0;
  const auto next = [&] {
    auto document = pickle::parse(std::span(bytes).subspan(at), pytorch_globals(), where);
    at += document.bytes;
    return document;
  };
  for (int i = 0; i < 3; ++i) next();
  const pickle::Document state = next(), keys = next();
  std::map<std::string, int64_t> element_bytes;
  for (const PytorchStorage& storage : pytorch_storages(state, where))
    element_bytes.emplace(storage.key, size_bytes(storage.dtype));
  Storages storages;
  uint64_t place = at;
  for (const pickle::Ref ref : keys.at(keys.root).items) {
    const std::string key(keys.at(ref).text);
    const auto element = element_bytes.find(key);
    uint64_t count = 0;
    if (element == element_bytes.end()) fail(file, "storage " + key + " belongs to no tensor");
    if (file.size_bytes() - place < 8) fail(file, "file ends before storage " + key);
    file.read(place, std::as_writable_bytes(std::span(&count, 1)));
    place += 8;
    const auto length = checked_mul(count, static_cast<uint64_t>(element->second));
    if (!length || *length > file.size_bytes() - place)
      fail(file, "storage " + key + " lies outside of the file");
    storages.emplace(key, ZipDirectory::Place{.begin = place, .bytes = *length});
    place += *length;
  }
  return place_all(file, read_pytorch_state(state, where), storages);
}

}  // namespace

bool is_pytorch_file(const File& file) {
  return begins_with(file, kZip) || begins_with(file, kLegacy);
}

std::vector<TensorEntry> read_pytorch_file(const File& file) {
  if (begins_with(file, kZip)) return read_zip(file);
  if (begins_with(file, kLegacy)) return read_legacy(file);
  fail(file, "neither of the two forms that torch.save writes");
}

}  // namespace octavo
