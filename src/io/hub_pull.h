#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

#include "io/hub_cache.h"
#include "io/hub_listing.h"

namespace octavo {

struct PullRequest {
  HubName name;
  HubSelection selection = {};
  std::filesystem::path directory = {};  // empty: into the hub cache
};

struct PullResult {
  std::filesystem::path path;  // of the model
  std::string commit;
  int64_t files = 0, fetched_files = 0;
  uint64_t bytes = 0, fetched_bytes = 0;
};

// Fetches what `selection` picks of a repository. A file appears under its name only when its size
// and checksum are right; an interrupted one lies beside it as NAME.incomplete and is gone on with.
// `progress` gets bytes there and bytes in all. Throws Error: name or token wrong (request),
// network, disk or checksum (failure).
PullResult pull(const HubSettings& settings, const PullRequest& request,
                const std::function<void(uint64_t done, uint64_t all)>& progress);

}  // namespace octavo
