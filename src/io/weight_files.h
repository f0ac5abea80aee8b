#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace octavo {

// The files that hold a model directory's weights, and which tensor lies in which if an index says.
struct WeightFiles {
  std::vector<std::filesystem::path> files;
  std::filesystem::path index;                       // empty: none
  std::map<std::string, std::string> shard_of = {};  // tensor → file name, from the index
};

// In this order of preference: model.safetensors, its index, its shards without an index; then the
// same for pytorch_model.bin; then one PyTorch file of another name. Throws Error naming what is
// missing, or an index that is damaged or points out of the directory.
WeightFiles find_weight_files(const std::filesystem::path& directory);

}  // namespace octavo
