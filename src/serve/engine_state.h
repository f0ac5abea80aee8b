#pragma once

#include <chrono>
#include <span>
#include <string>
#include <vector>

#include "base/json_fwd.h"
#include "octavo/engine.h"
#include "serve/recent_requests.h"

namespace octavo::serve {

class Histogram;

// What /engine/state tells of one model's engine. No text of any request is among it.
struct EngineLook {
  const std::string& name;
  const EngineSnapshot& snapshot;
  const EngineOptions& options;
  double stalled_s = 0;
  std::vector<EndedRequest> ended = {};
  std::chrono::steady_clock::time_point now = {};  // of `ended`
  const Histogram& first_token;                    // seconds
  const Histogram& between_tokens;                 // with the same bounds
};
Json engine_state_json(const EngineLook& look);

// One letter for each run of `per_cell` blocks: the use that most of them have. f free, u used, c
// cached, s shared.
std::string block_cells(std::span<const BlockUse> blocks, size_t per_cell);

// Bounds of the histograms above, in seconds: eight to a doubling, so that percentiles drawn from
// them are within 9 %.
std::vector<double> fine_latency_bounds();

}  // namespace octavo::serve
