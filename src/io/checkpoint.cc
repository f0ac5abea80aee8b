#include "io/checkpoint.h"

#include <simdjson.h>

#include <algorithm>
#include <map>

#include "io/gguf.h"
#include "octavo/error.h"

namespace octavo {
namespace {

constexpr uint64_t kMaxIndexBytes = uint64_t{64} << 20;
constexpr const char* kSingle = "model.safetensors";
constexpr const char* kIndex = "model.safetensors.index.json";

// Tensor name → shard, each a plain file name: an index must not reach outside its directory.
std::map<std::string, std::string> read_index(const std::filesystem::path& path) {
  const std::string text = read_file(path, kMaxIndexBytes);
  const auto fail = [&](const std::string& problem) -> Error {
    return {problem, path.string(), "fetch the index again"};
  };
  simdjson::dom::parser parser;
  simdjson::dom::object weight_map;
  simdjson::dom::element root;
  if (parser.allocate(text.size() + 1, 64) != simdjson::SUCCESS ||
      parser.parse(text).get(root) != simdjson::SUCCESS)
    throw fail("index is not JSON");
  if (root["weight_map"].get(weight_map) != simdjson::SUCCESS)
    throw fail("index has no weight_map object");
  std::map<std::string, std::string> shards;
  for (const auto field : weight_map) {
    std::string_view shard;
    if (field.value.get(shard) != simdjson::SUCCESS)
      throw fail("shard of " + std::string(field.key) + " is not a string");
    if (shard.empty() || shard.find('/') != std::string_view::npos || shard == "." ||
        shard == "..") {
      throw fail("shard of " + std::string(field.key) +
                 " is no file of this directory: " + std::string(shard));
    }
    shards.emplace(std::string(field.key), std::string(shard));
  }
  return shards;
}

}  // namespace

void Checkpoint::add_file(const std::filesystem::path& path) {
  File file(path);
  std::vector<TensorEntry> entries = read_safetensors_header(file);
  add(std::move(file), std::move(entries));
}

void Checkpoint::add_gguf(const std::filesystem::path& path) {
  const auto read = [](const std::filesystem::path& part) {
    File file(part);
    GgufHeader header = read_gguf_header(file);
    return std::pair(std::move(file), std::move(header));
  };
  auto [file, header] = read(path);
  const auto parts = gguf_parts(path, header.metadata);
  if (parts.size() == 1) return add(std::move(file), std::move(header.tensors));
  for (size_t i = 0; i < parts.size(); ++i) {
    auto [part, contents] = read(parts[i]);
    check_gguf_part(contents.metadata, i, parts.size());
    add(std::move(part), std::move(contents.tensors));
  }
}

void Checkpoint::add(File file, std::vector<TensorEntry> entries) {
  for (TensorEntry& entry : entries) {
    const std::string name = entry.name;
    if (!tensors_.emplace(name, Place{files_.size(), std::move(entry)}).second) {
      throw Error("tensor occurs in two shards", file.path().string() + ", tensor " + name,
                  "fetch the checkpoint again");
    }
  }
  files_.push_back(std::move(file));
}

void Checkpoint::open_index(const std::filesystem::path& index) {
  const auto shards = read_index(index);
  std::map<std::string, size_t> opened;
  for (const auto& [tensor, shard] : shards) {
    if (opened.emplace(shard, files_.size()).second) add_file(directory_ / shard);
  }
  for (const auto& [tensor, shard] : shards) {
    const auto found = tensors_.find(tensor);
    if (found == tensors_.end() || found->second.file != opened.at(shard)) {
      throw Error("shard " + shard + " does not hold the tensor",
                  index.string() + ", tensor " + tensor, "fetch index and shards again");
    }
  }
}

Checkpoint Checkpoint::open(const std::filesystem::path& directory) {
  Checkpoint checkpoint;
  checkpoint.directory_ = directory;
  if (is_gguf(directory)) {
    checkpoint.add_gguf(directory);
    return checkpoint;
  }
  std::error_code ignored;
  // A dangling or cyclic link counts as there: File then says what is wrong with it.
  const auto there = [&](const char* name) {
    return std::filesystem::symlink_status(directory / name, ignored).type() >
           std::filesystem::file_type::not_found;
  };
  if (there(kSingle)) {
    checkpoint.add_file(directory / kSingle);
  } else if (there(kIndex)) {
    checkpoint.open_index(directory / kIndex);
  } else {
    const bool torch = there("pytorch_model.bin") || there("pytorch_model.bin.index.json");
    throw Error(
        torch ? "weights are in PyTorch's .bin form, which is not supported yet" : "no weights",
        (directory / kSingle).string(),
        torch ? "convert them to safetensors" : "give a directory with model.safetensors");
  }
  return checkpoint;
}

const TensorEntry* Checkpoint::find(std::string_view name) const {
  const auto found = tensors_.find(std::string(name));
  return found == tensors_.end() ? nullptr : &found->second.entry;
}

const Checkpoint::Place& Checkpoint::place(std::string_view name) const {
  const auto found = tensors_.find(std::string(name));
  if (found == tensors_.end())
    throw Error("tensor is missing", where(name),
                "the checkpoint is incomplete or of another architecture");
  return found->second;
}

const TensorEntry& Checkpoint::get(std::string_view name) const { return place(name).entry; }

std::vector<std::string> Checkpoint::names() const {
  std::vector<std::string> names;
  for (const auto& [name, place] : tensors_) names.push_back(name);
  std::sort(names.begin(), names.end());
  return names;
}

void Checkpoint::read(const TensorEntry& entry, uint64_t offset, std::span<std::byte> out) const {
  if (offset > entry.bytes || out.size() > entry.bytes - offset)
    throw Error("read past the end of a tensor", where(entry.name), "report this as a bug");
  files_[place(entry.name).file].read(entry.begin + offset, out);
}

std::vector<std::byte> Checkpoint::read_all(const TensorEntry& entry) const {
  std::vector<std::byte> bytes(entry.bytes);
  read(entry, 0, bytes);
  return bytes;
}

void Checkpoint::drop(const TensorEntry& entry) const {
  files_[place(entry.name).file].drop(entry.begin, entry.bytes);
}

uint64_t Checkpoint::total_bytes() const {
  uint64_t total = 0;
  for (const auto& [name, place] : tensors_) total += place.entry.bytes;
  return total;
}

std::string Checkpoint::where(std::string_view tensor) const {
  const auto found = tensors_.find(std::string(tensor));
  const auto file = found == tensors_.end() ? directory_ : files_[found->second.file].path();
  return file.string() + ", tensor " + std::string(tensor);
}

}  // namespace octavo
