#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>

#include "base/json.h"
#include "base/progress.h"
#include "cli/command.h"
#include "io/hub_pull.h"
#include "octavo/error.h"

// `octavo pull OWNER/NAME [DIR]`: a model from a hub, into the cache or a folder.

namespace octavo::cli {
namespace {

struct Options {
  std::string name, directory, revision;
  HubSelection selection;
  bool json = false;
};

int run_pull(const Options& options) {
  const auto name =
      HubName::parse(options.name + (options.revision.empty() ? "" : "@" + options.revision));
  if (!name)
    throw Error("no name of a model on a hub", options.name,
                "give OWNER/NAME or OWNER/NAME@REVISION");
  Progress bar("fetching", "bytes", 0);
  const PullResult result =
      pull(HubSettings::from_environment(),
           {.name = *name, .selection = options.selection, .directory = options.directory},
           [&](uint64_t done, uint64_t all) {
             bar.update(static_cast<int64_t>(done), static_cast<int64_t>(all));
           });
  bar.finish();
  if (options.json) {
    const Json answer = {{"path", result.path.string()},
                         {"commit", result.commit},
                         {"files", result.files},
                         {"bytes", result.bytes},
                         {"fetched_files", result.fetched_files},
                         {"fetched_bytes", result.fetched_bytes}};
    std::printf("%s\n", to_line(answer).c_str());
  } else {
    std::printf("%s\n", result.path.string().c_str());
  }
  return 0;
}

}  // namespace

std::function<int()> add_pull(CLI::App& app) {
  const auto options = std::make_shared<Options>();
  app.add_option("REPO", options->name, "OWNER/NAME on the hub (HF_ENDPOINT, HF_TOKEN)")
      ->required();
  app.add_option("DIR", options->directory, "a plain folder; default: the cache (HF_HOME)");
  app.add_option("--revision", options->revision, "branch, tag or commit; default: main");
  app.add_option("--include", options->selection.include,
                 "fetch files of these names (* and ?) instead of what a model needs")
      ->take_all();
  app.add_option("--exclude", options->selection.exclude, "leave out files of these names")
      ->take_all();
  app.add_flag("--json", options->json, "one JSON object on stdout");
  return [options] { return run_pull(*options); };
}

}  // namespace octavo::cli
