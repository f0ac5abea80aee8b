#include "io/hub_cache.h"

#include <algorithm>
#include <cstdlib>

#include "base/file.h"
#include "octavo/error.h"

namespace octavo {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxName = 96, kMaxRevision = 200;
constexpr uint64_t kMaxSmallFile = 4096;

bool is_word(std::string_view text, size_t limit) {
  const auto allowed = [](unsigned char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
           c == '_' || c == '.';
  };
  return !text.empty() && text.size() <= limit && text.front() != '.' && text.front() != '-' &&
         text.back() != '.' && text.find("..") == std::string_view::npos &&
         std::ranges::all_of(text, allowed);
}

// Words between slashes.
bool is_revision(std::string_view text) {
  if (text.size() > kMaxRevision) return false;
  while (true) {
    const size_t slash = text.find('/');
    if (!is_word(text.substr(0, slash), kMaxRevision)) return false;
    if (slash == std::string_view::npos) return true;
    text.remove_prefix(slash + 1);
  }
}

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

// The first line of a small file; empty where there is none.
std::string first_line(const fs::path& path) {
  std::error_code ignored;
  if (!fs::is_regular_file(path, ignored)) return "";
  const std::string text = read_file(path, kMaxSmallFile);
  return text.substr(0, text.find_first_of(" \r\n"));
}

std::string folder_of(std::string repository, HubRepository::Kind kind) {
  repository.replace(repository.find('/'), 1, "--");
  return (kind == HubRepository::Kind::model ? "models--" : "datasets--") + repository;
}

}  // namespace

bool is_hash(std::string_view text) {
  return (text.size() == 40 || text.size() == 64) && std::ranges::all_of(text, [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

std::optional<HubName> HubName::parse(std::string_view text) {
  HubName name;
  if (const size_t at = text.find('@'); at != std::string_view::npos) {
    name.revision = std::string(text.substr(at + 1));
    text = text.substr(0, at);
  }
  const size_t slash = text.find('/');
  if (slash == std::string_view::npos || !is_word(text.substr(0, slash), kMaxName) ||
      !is_word(text.substr(slash + 1), kMaxName) || !is_revision(name.revision))
    return std::nullopt;
  name.repository = std::string(text);
  return name;
}

HubSettings HubSettings::from_environment() {
  HubSettings settings{
      .endpoint = variable("HF_ENDPOINT"), .token = variable("HF_TOKEN"), .cache = {}};
  if (settings.endpoint.empty()) settings.endpoint = "https://huggingface.co";
  while (settings.endpoint.ends_with('/')) settings.endpoint.pop_back();
  fs::path home = variable("HF_HOME");
  if (home.empty()) {
    const std::string caches = variable("XDG_CACHE_HOME");
    home =
        (caches.empty() ? fs::path(variable("HOME")) / ".cache" : fs::path(caches)) / "huggingface";
  }
  if (settings.token.empty()) settings.token = first_line(home / "token");
  settings.cache = variable("HF_HUB_CACHE");
  if (settings.cache.empty()) settings.cache = home / "hub";
  return settings;
}

HubRepository::HubRepository(const fs::path& cache, const HubName& name, Kind kind)
    : root_(cache / folder_of(name.repository, kind)), revision_(name.revision) {}

std::optional<fs::path> HubRepository::find() const {
  std::error_code ignored;
  std::string commit = first_line(ref());
  if (!is_hash(commit)) commit = revision_;  // may be a commit itself
  if (!is_hash(commit) || !fs::is_directory(snapshot(commit), ignored)) return std::nullopt;
  return snapshot(commit);
}

fs::path find_in_hub_cache(const HubSettings& settings, const HubName& name) {
  if (const auto found = HubRepository(settings.cache, name).find()) return *found;
  const bool usual = name.revision == HubName{}.revision;
  throw Error("no such folder, and no such model in the cache " + settings.cache.string(),
              name.repository + (usual ? "" : "@" + name.revision),
              "fetch it with `octavo pull " + name.repository +
                  (usual ? "" : " --revision " + name.revision) + "`");
}

fs::path find_dataset_in_hub_cache(const HubSettings& settings, const HubName& name) {
  if (const auto found = HubRepository(settings.cache, name, HubRepository::Kind::dataset).find())
    return *found;
  throw Error(
      "no such file or folder, and no such data set in the cache " + settings.cache.string(),
      name.repository, "fetch it with `hf download --repo-type dataset " + name.repository + "`");
}

}  // namespace octavo
