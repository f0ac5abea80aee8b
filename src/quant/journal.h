#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/json_fwd.h"
#include "octavo/quantize.h"

namespace octavo::quant {

// What is reported of one layer.
struct LayerOutcome {
  LayerReport layer = {};
  std::vector<MatrixReport> matrices = {};
  std::vector<ScaleReport> scales = {};
};

// What an interrupted job has done: a line of JSON each, appended and synced once the work of that
// line is on the disk. A last line that was cut short does not count.
class Journal {
 public:
  static constexpr const char* kName = "journal.jsonl";

  struct Layer {
    LayerOutcome report = {};
    std::optional<uint64_t> states = {}, float_states = {};  // hashes of the states behind it
  };

  // Goes on with the journal in `folder` when its job has this fingerprint, else begins anew.
  Journal(const std::filesystem::path& folder, const std::string& fingerprint);
  ~Journal();
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;

  // Steps that are not layers: "copied", "bits", "head". Null: not done.
  const Json* step(const std::string& name) const;
  void finish_step(const std::string& name, const Json& result);
  // Layers 0 .. layers().size() - 1 are done.
  const std::vector<Layer>& layers() const { return layers_; }
  void finish_layer(Layer layer);

 private:
  bool read(const std::string& fingerprint);
  void append(const Json& line);

  std::filesystem::path path_;
  int fd_ = -1;
  std::map<std::string, Json> steps_;
  std::vector<Layer> layers_;
};

// Reports as JSON and back.
Json to_json(const LayerOutcome& outcome);
LayerOutcome outcome_from(const Json& json);

}  // namespace octavo::quant
