#include "io/weight_files.h"

#include <simdjson.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <set>

#include "base/file.h"
#include "octavo/error.h"

namespace octavo {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kMaxIndexBytes = uint64_t{64} << 20;

// What the files of one kind are called.
struct Kind {
  std::string single, index, shard_prefix, suffix;
};
std::array<Kind, 2> kinds() {
  return {Kind{"model.safetensors", "model.safetensors.index.json", "model-", ".safetensors"},
          Kind{"pytorch_model.bin", "pytorch_model.bin.index.json", "pytorch_model-", ".bin"}};
}

// A dangling or cyclic link counts as there: File then says what is wrong with it.
bool there(const fs::path& path) {
  std::error_code ignored;
  return fs::symlink_status(path, ignored).type() > fs::file_type::not_found;
}

// Tensor name → shard, each a plain file name: an index must not reach outside its directory.
std::map<std::string, std::string> read_index(const fs::path& path) {
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

std::vector<std::string> names_in(const fs::path& directory) {
  std::vector<std::string> names;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(directory, ignored))
    names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

// "PREFIX00001-of-00003SUFFIX" → 3, else 0.
int shards_said_by(const std::string& name, const Kind& kind) {
  if (!name.starts_with(kind.shard_prefix) || !name.ends_with(kind.suffix)) return 0;
  const size_t of = name.find("-of-");
  if (of == std::string::npos) return 0;
  int count = 0;
  std::from_chars(name.data() + of + 4, name.data() + name.size(), count);
  return count;
}

WeightFiles with_index(const fs::path& directory, const fs::path& index) {
  WeightFiles found{.files = {}, .index = index, .shard_of = read_index(index)};
  std::set<std::string> shards;
  for (const auto& [tensor, shard] : found.shard_of) {
    if (shards.insert(shard).second) found.files.push_back(directory / shard);
  }
  return found;
}

WeightFiles without_index(const fs::path& directory, const std::vector<std::string>& names,
                          const Kind& kind) {
  WeightFiles found;
  int wanted = 0;
  for (const std::string& name : names) {
    const int count = shards_said_by(name, kind);
    if (count == 0) continue;
    wanted = std::max(wanted, count);
    found.files.push_back(directory / name);
  }
  if (static_cast<int>(found.files.size()) != wanted) {
    throw Error(std::to_string(found.files.size()) + " shards of " + std::to_string(wanted),
                (directory / kind.index).string(), "fetch the others, or remove what is no shard");
  }
  return found;
}

// The only file that ends like PyTorch's and is not what trainers leave beside a model.
WeightFiles any_pytorch_file(const fs::path& directory, const std::vector<std::string>& names) {
  WeightFiles found;
  for (const std::string& name : names) {
    const bool torch = name.ends_with(".bin") || name.ends_with(".pt") || name.ends_with(".pth");
    const bool trainers = name.starts_with("training_args") || name.starts_with("optimizer") ||
                          name.starts_with("scheduler") || name.starts_with("rng_state") ||
                          name.starts_with("scaler") || name.starts_with("adapter_");
    if (torch && !trainers) found.files.push_back(directory / name);
  }
  if (found.files.size() > 1) {
    throw Error("more than one file that may hold the weights",
                found.files[0].string() + ", " + found.files[1].filename().string(),
                "call the right one pytorch_model.bin");
  }
  return found;
}

}  // namespace

WeightFiles find_weight_files(const fs::path& directory) {
  const std::vector<std::string> names = names_in(directory);
  for (const Kind& kind : kinds()) {
    if (there(directory / kind.single)) return {.files = {directory / kind.single}, .index = {}};
    if (there(directory / kind.index)) return with_index(directory, directory / kind.index);
    WeightFiles shards = without_index(directory, names, kind);
    if (!shards.files.empty()) return shards;
  }
  WeightFiles other = any_pytorch_file(directory, names);
  if (other.files.empty()) {
    throw Error("no weights", (directory / "model.safetensors").string(),
                "give a directory with model.safetensors or pytorch_model.bin");
  }
  return other;
}

}  // namespace octavo
