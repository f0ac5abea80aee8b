#include "io/checkpoint.h"

#include <algorithm>

#include "io/gguf.h"
#include "io/pytorch_file.h"
#include "io/strided_read.h"
#include "octavo/error.h"

namespace octavo {
namespace {

// What training wrappers put before every name (DistributedDataParallel, torch.compile).
constexpr std::string_view kWrappers[] = {"module.", "_orig_mod.", "_forward_module."};

std::vector<TensorEntry> read_header(const File& file) {
  const std::string suffix = file.path().extension().string();
  return suffix == ".bin" || suffix == ".pt" || suffix == ".pth" ? read_pytorch_file(file)
                                                                 : read_safetensors_header(file);
}

}  // namespace

void Checkpoint::add_file(const std::filesystem::path& path) {
  File file(path);
  std::vector<TensorEntry> entries = read_header(file);
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

void Checkpoint::check_index(const WeightFiles& found) const {
  for (const auto& [tensor, shard] : found.shard_of) {
    const auto place = tensors_.find(tensor);
    if (place == tensors_.end() || files_[place->second.file].path().filename() != shard) {
      throw Error("shard " + shard + " does not hold the tensor",
                  found.index.string() + ", tensor " + tensor, "fetch index and shards again");
    }
  }
}

void Checkpoint::strip_wrappers() {
  for (const std::string_view wrapper : kWrappers) {
    const auto wrapped = [&](const auto& tensor) { return tensor.first.starts_with(wrapper); };
    if (tensors_.empty() || !std::all_of(tensors_.begin(), tensors_.end(), wrapped)) continue;
    std::unordered_map<std::string, Place> bare;
    for (auto& [name, place] : tensors_) {
      place.entry.name = name.substr(wrapper.size());
      bare.emplace(place.entry.name, std::move(place));
    }
    tensors_ = std::move(bare);
  }
}

Checkpoint Checkpoint::open(const std::filesystem::path& directory) {
  Checkpoint checkpoint;
  checkpoint.directory_ = directory;
  if (is_gguf(directory)) {
    checkpoint.add_gguf(directory);
    return checkpoint;
  }
  const WeightFiles found = find_weight_files(directory);
  for (const std::filesystem::path& file : found.files) checkpoint.add_file(file);
  checkpoint.check_index(found);
  checkpoint.strip_wrappers();
  return checkpoint;
}

Checkpoint Checkpoint::open_file(const std::filesystem::path& file) {
  Checkpoint checkpoint;
  checkpoint.directory_ = file;
  checkpoint.add_file(file);
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
  const File& file = files_[place(entry.name).file];
  if (!entry.strides.empty()) return read_strided(file, entry, offset, out);
  file.read(entry.begin + offset, out);
}

std::vector<std::byte> Checkpoint::read_all(const TensorEntry& entry) const {
  std::vector<std::byte> bytes(entry.bytes);
  read(entry, 0, bytes);
  return bytes;
}

bool Checkpoint::same_bytes(const TensorEntry& a, const TensorEntry& b) const {
  constexpr uint64_t kPieceBytes = uint64_t{1} << 20;  // whole elements of every dtype
  if (a.dtype != b.dtype || a.bytes != b.bytes) return false;
  if (place(a.name).file == place(b.name).file && a.begin == b.begin && a.strides == b.strides)
    return true;
  std::vector<std::byte> mine, other;
  for (uint64_t at = 0; at < a.bytes; at += kPieceBytes) {
    mine.resize(std::min(kPieceBytes, a.bytes - at));
    other.resize(mine.size());
    read(a, at, mine);
    read(b, at, other);
    if (mine != other) return false;
  }
  return true;
}

void Checkpoint::drop(const TensorEntry& entry) const {
  if (entry.strides.empty()) files_[place(entry.name).file].drop(entry.begin, entry.bytes);
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
