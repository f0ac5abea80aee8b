#pragma once

#include <cstdint>

#include "engine/step_model.h"
#include "octavo/engine.h"

namespace octavo {

// Throws Error naming an option that is out of range for a model of `max_positions`.
void check_ranges(const EngineOptions& options, int64_t max_positions);

// The options with every zero filled in from the model and this machine's memory. Throws Error when
// an option is out of range or the cache can't hold one request of max_model_len.
EngineOptions complete(EngineOptions options, const StepModel& model);

}  // namespace octavo
