#include "quant/calibration_source.h"

#include <algorithm>

#include "io/gguf.h"
#include "io/hub_cache.h"
#include "octavo/error.h"
#include "quant/parquet.h"

namespace octavo::quant {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxFiles = 10'000;
constexpr int64_t kParquetRowsASample = 64;

bool is_lines(const fs::path& file) {
  return file.extension() == ".jsonl" || file.extension() == ".ndjson";
}
bool is_parquet(const fs::path& file) { return file.extension() == ".parquet"; }
bool is_text(const fs::path& file) {
  return file.extension() == ".txt" || file.extension() == ".raw" || file.extension() == ".md";
}

// The files of a folder and of those in it, by name; only the training part of a data set that has
// one.
std::vector<fs::path> files_in(const fs::path& folder, bool dataset) {
  std::vector<fs::path> files;
  const auto options = fs::directory_options::skip_permission_denied;
  for (const auto& entry : fs::recursive_directory_iterator(folder, options)) {
    const fs::path& path = entry.path();
    const bool readable = is_lines(path) || is_parquet(path) || (!dataset && is_text(path));
    if (readable && entry.is_regular_file()) files.push_back(path);
    if (files.size() > kMaxFiles)
      throw Error("more than 10000 files", folder.string(), "name a folder with fewer");
  }
  std::ranges::sort(files);
  std::vector<fs::path> training;
  std::ranges::copy_if(files, std::back_inserter(training), [&](const fs::path& path) {
    return path.lexically_relative(folder).string().find("train") != std::string::npos;
  });
  return dataset && !training.empty() ? training : files;
}

fs::path own_file(const fs::path& model, const CalibrationRequest& request) {
  std::error_code ignored;
  for (const char* name : {"calibration.jsonl", "calibration.txt"}) {
    if (!is_gguf(model) && fs::is_regular_file(model / name, ignored)) return model / name;
  }
  const int64_t tokens =
      request.samples.value_or(CalibrationRequest::kDefaultSamples) * request.seq_len;
  throw Error("this method needs text to calibrate with, and the model brings none",
              "--calibration",
              "name a .jsonl or .txt with some " + std::to_string(tokens) +
                  " tokens like those that the model will see, or use --method rtn");
}

void add(DocumentIndex& index, const fs::path& file, const CalibrationRequest& request) {
  if (is_parquet(file)) {
    const int64_t samples = request.samples.value_or(CalibrationRequest::kDefaultSamples);
    const bool random = request.sampling == CalibrationRequest::Sampling::random;
    index.add(
        parquet_as_lines(file, {.most = std::max<int64_t>(1000, kParquetRowsASample * samples),
                                .shuffled = random,
                                .seed = request.seed}),
        DocumentIndex::Form::lines, file.string());
    return;
  }
  index.add(File(file), is_lines(file) ? DocumentIndex::Form::lines : DocumentIndex::Form::text,
            file.string());
}

}  // namespace

CalibrationSource CalibrationSource::open(const CalibrationRequest& request, const fs::path& model,
                                          const IndexLimits& limits) {
  fs::path path = request.source.empty() ? own_file(model, request) : fs::path(request.source);
  std::error_code ignored;
  bool dataset = false;
  if (!fs::exists(path, ignored)) {
    const auto name = HubName::parse(request.source);
    if (!name)
      throw Error("no such file or folder", request.source,
                  "give a .jsonl, .txt or .parquet file, a folder of those, or OWNER/NAME of a "
                  "data set in the hub cache");
    path = find_dataset_in_hub_cache(HubSettings::from_environment(), *name);
    dataset = true;
  }
  CalibrationSource source{.name = request.source.empty() ? path.string() : request.source,
                           .index = DocumentIndex(limits)};
  if (!fs::is_directory(path, ignored)) {
    add(source.index, path, request);
    return source;
  }
  const std::vector<fs::path> files = files_in(path, dataset);
  if (files.empty())
    throw Error("no .jsonl, .txt or .parquet file in this folder", path.string(),
                "name a file, or put text there");
  for (const fs::path& file : files) add(source.index, file, request);
  return source;
}

}  // namespace octavo::quant
