#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace octavo {

// A model on a hub: "owner/name" or "owner/name@revision".
struct HubName {
  std::string repository;         // "owner/name"
  std::string revision = "main";  // branch, tag or commit

  // Empty where `text` has another form. Neither part can leave the folder it is used in: letters,
  // digits, "-", "_" and single dots only, in a revision "/" as well.
  static std::optional<HubName> parse(std::string_view text);
};

// Where a hub is and where its files are kept. HF_ENDPOINT, HF_TOKEN (or the file `token` in
// HF_HOME), HF_HUB_CACHE, HF_HOME as huggingface_hub reads them.
struct HubSettings {
  std::string endpoint, token;
  std::filesystem::path cache;

  static HubSettings from_environment();
};

// The part of a cache that belongs to one repository: blobs/ETAG, snapshots/COMMIT/FILE (links to
// blobs), refs/REVISION (a commit).
class HubRepository {
 public:
  enum class Kind : uint8_t { model, dataset };
  HubRepository(const std::filesystem::path& cache, const HubName& name, Kind kind = Kind::model);

  std::filesystem::path blob(const std::string& etag) const { return root_ / "blobs" / etag; }
  std::filesystem::path snapshot(const std::string& commit) const {
    return root_ / "snapshots" / commit;
  }
  std::filesystem::path ref() const { return root_ / "refs" / revision_; }
  // The snapshot of the revision, if the cache has it.
  std::optional<std::filesystem::path> find() const;

 private:
  std::filesystem::path root_;
  std::string revision_;
};

// The folder of a model in the cache. Throws Error naming `octavo pull` where it is not there.
std::filesystem::path find_in_hub_cache(const HubSettings& settings, const HubName& name);

// The folder of a data set in the cache. Throws Error naming how to fetch it where it is not there.
std::filesystem::path find_dataset_in_hub_cache(const HubSettings& settings, const HubName& name);

// True for 40 or 64 lower-case hexadecimal digits: a commit or checksum.
bool is_hash(std::string_view text);

}  // namespace octavo
