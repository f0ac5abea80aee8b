#include "io/hub_listing.h"

#include <fnmatch.h>

#include <algorithm>

#include "base/json.h"
#include "io/hub_cache.h"
#include "octavo/error.h"

namespace octavo {
namespace {

constexpr size_t kMaxName = 512, kMaxFiles = 100'000;

[[noreturn]] void fail(const std::string& where, const std::string& problem) {
  throw Error(problem, where, "check HF_ENDPOINT: this is no answer of a hub",
              Error::Kind::failure);
}

// Relative, without ".." and hidden tricks: it becomes a path below a folder of ours.
bool is_safe(const std::string& name) {
  if (name.empty() || name.size() > kMaxName || name.back() == '/') return false;
  const auto bad = [](unsigned char c) { return c < 0x20 || c == 0x7F || c == '\\'; };
  if (std::ranges::any_of(name, bad)) return false;
  for (size_t begin = 0; begin <= name.size();) {
    const size_t end = std::min(name.find('/', begin), name.size());
    const std::string part = name.substr(begin, end - begin);
    if (part.empty() || part == "." || part == "..") return false;
    begin = end + 1;
  }
  return true;
}

std::string text_at(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

HubFile read_file_entry(const Json& entry, const std::string& where) {
  if (!entry.is_object()) fail(where, "siblings hold something else than files");
  HubFile file{.name = text_at(entry, "rfilename"), .bytes = 0, .checksum = {}};
  if (!is_safe(file.name)) fail(where, "a file name that leaves the folder: " + file.name);
  const auto large = entry.find("lfs");
  file.is_large = large != entry.end() && large->is_object();
  file.checksum = file.is_large ? text_at(*large, "sha256") : text_at(entry, "blobId");
  const auto size =
      file.is_large && large->contains("size") ? large->find("size") : entry.find("size");
  const auto end = file.is_large && large->contains("size") ? large->end() : entry.end();
  if (size == end || !size->is_number_unsigned()) fail(where, "no size of " + file.name);
  file.bytes = size->get<uint64_t>();
  if (!is_hash(file.checksum) || file.checksum.size() != (file.is_large ? 64u : 40u))
    fail(where, "no checksum of " + file.name);
  return file;
}

bool matches(const std::vector<std::string>& patterns, const std::string& name) {
  return std::ranges::any_of(patterns, [&](const std::string& pattern) {
    return ::fnmatch(pattern.c_str(), name.c_str(), 0) == 0;
  });
}

bool is_companion(const std::string& name) {
  if (name.ends_with(".jinja")) return true;  // also in a folder of templates
  if (name.find('/') != std::string::npos) return false;
  for (const char* suffix : {".json", ".txt", ".model", ".tiktoken"}) {
    if (name.ends_with(suffix)) return true;
  }
  return name.starts_with("LICENSE");
}

bool is_weights(const std::string& name, std::string_view suffix) {
  if (name.find('/') != std::string::npos || !name.ends_with(suffix)) return false;
  for (const char* other :
       {"training_args", "optimizer", "scheduler", "consolidated", "adapter_"}) {
    if (name.starts_with(other)) return false;
  }
  return true;
}

}  // namespace

HubListing HubListing::parse(std::string_view text, const std::string& where) {
  const Json root = parse_json(text, where);
  if (!root.is_object()) fail(where, "not an object");
  HubListing listing{.commit = text_at(root, "sha"), .files = {}};
  if (!is_hash(listing.commit) || listing.commit.size() != 40) fail(where, "no commit (sha)");
  const auto siblings = root.find("siblings");
  if (siblings == root.end() || !siblings->is_array() || siblings->size() > kMaxFiles)
    fail(where, "no list of files (siblings)");
  for (const Json& entry : *siblings) listing.files.push_back(read_file_entry(entry, where));
  return listing;
}

std::vector<HubFile> select_files(const HubListing& listing, const HubSelection& selection) {
  std::string_view form;
  for (const std::string_view suffix : {".safetensors", ".bin", ".gguf"}) {
    const auto count = std::ranges::count_if(
        listing.files, [&](const HubFile& file) { return is_weights(file.name, suffix); });
    // Of several GGUF files one is wanted, and only the user knows which.
    if (count > 0 && (suffix != ".gguf" || count == 1)) {
      form = suffix;
      break;
    }
  }
  std::vector<HubFile> chosen;
  for (const HubFile& file : listing.files) {
    const bool wanted =
        selection.include.empty()
            ? is_companion(file.name) || (!form.empty() && is_weights(file.name, form))
            : matches(selection.include, file.name);
    if (wanted && !matches(selection.exclude, file.name)) chosen.push_back(file);
  }
  return chosen;
}

}  // namespace octavo
