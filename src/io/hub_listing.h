#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace octavo {

// A file of a repository as the hub describes it.
struct HubFile {
  std::string name;  // may hold folders; never leaves the repository's
  uint64_t bytes = 0;
  std::string checksum;   // SHA-256 of a large file, git's blob id of a small one
  bool is_large = false;  // kept in large-file storage
};

struct HubListing {
  std::string commit;
  std::vector<HubFile> files;

  // Parses the answer of /api/models/OWNER/NAME/revision/REVISION?blobs=true. Throws Error naming
  // `where` and the field for anything that a hub would not say: names that leave the folder, sizes
  // or checksums that are none.
  static HubListing parse(std::string_view text, const std::string& where);
};

struct HubSelection {
  std::vector<std::string> include, exclude;  // shell patterns; "*" matches "/" as well
};

// What a model needs: configuration, tokenizer and templates, and the weights in one form:
// safetensors before .bin before a lone GGUF file. With `include`, what matches it instead.
std::vector<HubFile> select_files(const HubListing& listing, const HubSelection& selection);

}  // namespace octavo
