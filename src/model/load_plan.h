#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "model/model.h"
#include "model/source.h"

namespace octavo {

// Ends the name of a packed format that no kernel of the table has an order of its own for: its
// products run in the reference loops.
inline constexpr const char* kPlainRows = " in plain rows";

// What loading a model would do, found without reading its weights.
struct LoadPlan {
  std::set<std::string> used;              // tensors of the checkpoint that the model takes
  std::vector<std::string> problems;       // missing tensors, wrong shapes: lines as of Error
  std::map<std::string, int64_t> formats;  // "bf16", "f32 from f8_e4m3": elements so kept
  size_t weight_bytes = 0;                 // resident
  Compute compute = Compute::f32;          // the type of products that loading would choose
};

// Throws Error only where config.json itself cannot be used.
LoadPlan plan_load(const ModelSource& source, const Ops& ops, DTypeChoice dtype);

}  // namespace octavo
