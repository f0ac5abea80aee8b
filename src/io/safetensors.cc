#include "io/safetensors.h"

#include <simdjson.h>

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "base/checked.h"
#include "base/json.h"
#include "octavo/error.h"

namespace octavo {
namespace {

constexpr uint64_t kMaxHeaderBytes = 100'000'000;
constexpr size_t kMaxRank = 8;

[[noreturn]] void fail(const File& file, const std::string& problem,
                       const std::string& tensor = {}) {
  throw Error(problem, file.path().string() + (tensor.empty() ? "" : ", tensor " + tensor),
              "the file is damaged or no safetensors file: fetch it again");
}

std::string read_header_text(const File& file) {
  if (file.size_bytes() < 8)
    fail(file, "file of " + std::to_string(file.size_bytes()) + " bytes has no header");
  std::array<std::byte, 8> raw;
  file.read(0, raw);
  uint64_t length = 0;
  std::memcpy(&length, raw.data(), 8);
  if (length > kMaxHeaderBytes || length > file.size_bytes() - 8)
    fail(file, "header length " + std::to_string(length) + " does not fit the file");
  std::string text(length, '\0');
  file.read(8, std::as_writable_bytes(std::span(text)));
  if (text.empty() || text[0] != '{') fail(file, "header does not begin with {");
  return text;
}

std::vector<int64_t> read_shape(const File& file, const std::string& name,
                                simdjson::dom::element value) {
  simdjson::dom::array axes;
  if (value.get(axes) != simdjson::SUCCESS) fail(file, "shape is not a list", name);
  std::vector<int64_t> shape;
  for (simdjson::dom::element axis : axes) {
    int64_t extent = 0;
    if (axis.get(extent) != simdjson::SUCCESS || extent < 0)
      fail(file, "shape holds something else than sizes", name);
    if (shape.size() == kMaxRank)
      fail(file, "more than " + std::to_string(kMaxRank) + " dimensions", name);
    shape.push_back(extent);
  }
  return shape;
}

// Offsets [begin, end) of the entry within the data.
std::pair<uint64_t, uint64_t> read_offsets(const File& file, const std::string& name,
                                           simdjson::dom::element value, uint64_t data_bytes) {
  simdjson::dom::array pair;
  uint64_t begin = 0, end = 0;
  if (value.get(pair) != simdjson::SUCCESS || pair.size() != 2 ||
      pair.at(0).get(begin) != simdjson::SUCCESS || pair.at(1).get(end) != simdjson::SUCCESS) {
    fail(file, "data_offsets are not two whole numbers", name);
  }
  if (begin > end || end > data_bytes) fail(file, "data_offsets lie outside the data", name);
  return {begin, end};
}

TensorEntry read_entry(const File& file, std::string_view key, simdjson::dom::element value,
                       uint64_t data_begin) {
  TensorEntry entry;
  entry.name = std::string(key);
  simdjson::dom::object fields;
  if (value.get(fields) != simdjson::SUCCESS) fail(file, "entry is not an object", entry.name);
  simdjson::dom::element dtype, shape, offsets;
  if (fields["dtype"].get(dtype) != simdjson::SUCCESS ||
      fields["shape"].get(shape) != simdjson::SUCCESS ||
      fields["data_offsets"].get(offsets) != simdjson::SUCCESS) {
    fail(file, "entry lacks dtype, shape or data_offsets", entry.name);
  }
  std::string_view type_name;
  if (dtype.get(type_name) != simdjson::SUCCESS) fail(file, "dtype is not a string", entry.name);
  const auto type = dtype_from_name(type_name);
  if (!type) fail(file, "unknown dtype " + std::string(type_name), entry.name);
  entry.dtype = *type;
  entry.shape = read_shape(file, entry.name, shape);
  const auto [begin, end] = read_offsets(file, entry.name, offsets, file.size_bytes() - data_begin);
  entry.begin = data_begin + begin;
  entry.bytes = end - begin;
  std::optional<int64_t> bytes = size_bytes(entry.dtype);
  for (int64_t extent : entry.shape) {
    if (bytes) bytes = checked_mul(*bytes, extent);
  }
  if (!bytes) fail(file, "shape is too large", entry.name);
  if (static_cast<uint64_t>(*bytes) != entry.bytes)
    fail(file,
         std::to_string(entry.bytes) + " bytes where the shape asks for " + std::to_string(*bytes),
         entry.name);
  return entry;
}

void check_metadata(const File& file, simdjson::dom::element value) {
  simdjson::dom::object fields;
  if (value.get(fields) != simdjson::SUCCESS) fail(file, "__metadata__ is not an object");
  for (const auto field : fields) {
    if (!field.value.is_string()) fail(file, "__metadata__ holds something else than strings");
  }
}

// Entries must tile the data: an overlap or a gap means that somebody's offsets are wrong.
void check_tiling(const File& file, std::vector<TensorEntry>& entries, uint64_t data_begin) {
  std::sort(entries.begin(), entries.end(), [](const TensorEntry& a, const TensorEntry& b) {
    return a.begin != b.begin ? a.begin < b.begin : a.bytes < b.bytes;
  });
  uint64_t at = data_begin;
  for (const TensorEntry& entry : entries) {
    if (entry.begin < at) fail(file, "bytes overlap those of another tensor", entry.name);
    if (entry.begin > at) fail(file, "bytes before it belong to no tensor", entry.name);
    at += entry.bytes;
  }
  if (at != file.size_bytes())
    fail(file,
         std::to_string(file.size_bytes() - at) + " bytes after the last tensor belong to none");
}

}  // namespace

int64_t TensorEntry::elements() const {
  if (block == BlockType::none) return static_cast<int64_t>(bytes) / size_bytes(dtype);
  const BlockTraits& t = traits(block);
  return static_cast<int64_t>(bytes) / t.bytes * t.elements;
}

std::string_view TensorEntry::type_name() const {
  return block == BlockType::none ? octavo::name(dtype) : traits(block).name;
}

std::vector<TensorEntry> read_safetensors_header(const File& file) {
  const std::string text = read_header_text(file);
  simdjson::dom::parser parser;
  simdjson::dom::object root;
  if (parser.allocate(text.size(), 64) != simdjson::SUCCESS ||
      parser.parse(text).get(root) != simdjson::SUCCESS)
    fail(file, "header is not a JSON object");
  std::vector<TensorEntry> entries;
  const uint64_t data_begin = 8 + text.size();
  for (const auto field : root) {
    if (field.key == "__metadata__") {
      check_metadata(file, field.value);
    } else {
      entries.push_back(read_entry(file, field.key, field.value, data_begin));
    }
  }
  check_tiling(file, entries, data_begin);
  std::sort(entries.begin(), entries.end(),
            [](const TensorEntry& a, const TensorEntry& b) { return a.name < b.name; });
  for (size_t i = 1; i < entries.size(); ++i) {
    if (entries[i].name == entries[i - 1].name) fail(file, "tensor occurs twice", entries[i].name);
  }
  return entries;
}

uint64_t TensorPlan::bytes() const {
  int64_t total = size_bytes(dtype);
  for (int64_t extent : shape) total *= extent;
  return static_cast<uint64_t>(total);
}

std::string safetensors_header(std::span<const TensorPlan> tensors,
                               const std::map<std::string, std::string>& metadata) {
  // Written by hand: nlohmann's ordered object looks keys up linearly, and a large model has
  // thousands.
  std::string text = "{\"__metadata__\":" + to_line(Json(metadata));
  uint64_t at = 0;
  for (const TensorPlan& tensor : tensors) {
    const Json entry = {{"dtype", name(tensor.dtype)},
                        {"shape", tensor.shape},
                        {"data_offsets", {at, at + tensor.bytes()}}};
    text += "," + to_line(Json(tensor.name)) + ":" + to_line(entry);
    at += tensor.bytes();
  }
  text += "}";
  text.append((8 - text.size() % 8) % 8, ' ');  // aligned data lets readers map it
  const uint64_t length = text.size();
  return std::string(reinterpret_cast<const char*>(&length), 8) + text;
}

SafetensorsWriter::SafetensorsWriter(const std::filesystem::path& path,
                                     std::span<const TensorPlan> tensors,
                                     const std::map<std::string, std::string>& metadata)
    : file_(path) {
  file_.write(safetensors_header(tensors, metadata));
  for (const TensorPlan& tensor : tensors) missing_bytes_ += tensor.bytes();
}

void SafetensorsWriter::append(std::span<const std::byte> bytes) {
  OCTAVO_CHECK(bytes.size() <= missing_bytes_);
  missing_bytes_ -= bytes.size();
  file_.write(bytes);
}

void SafetensorsWriter::finish() {
  OCTAVO_CHECK(missing_bytes_ == 0);
  file_.commit();
}

}  // namespace octavo
