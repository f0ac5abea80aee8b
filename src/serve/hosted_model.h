#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "serve/engine_port.h"
#include "serve/metrics.h"
#include "serve/served_model.h"

namespace octavo::serve {

// A model in memory with all that serves it.
struct HostedModel {
  std::shared_ptr<const ServedModel> model;
  std::unique_ptr<EnginePort> engine;
  std::shared_ptr<Metrics> metrics;  // kept over unloading and loading again
};

// The right to use a hosted model: while one is held it is not unloaded.
using Lease = std::shared_ptr<HostedModel>;

// What loading brings.
struct LoadedModel {
  std::shared_ptr<ServedModel> served;
  std::unique_ptr<EnginePort> engine;  // at work
  int64_t bytes = 0;                   // of weights and cache
};

// A model that may be served, loaded or not.
struct Servable {
  std::vector<std::string> names = {};  // the first one is told in answers
  std::string root = {};
  int64_t weight_bytes = 0;  // about; for the budget, before it is loaded
  int64_t created = 0;
  // `cache_bytes`: how large the KV cache may be; 0: as the options say. Throws Error.
  std::function<LoadedModel(int64_t cache_bytes)> load = {};
};

}  // namespace octavo::serve
