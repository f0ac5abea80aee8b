#pragma once

#include "engine/step_model.h"
#include "octavo/engine.h"

namespace octavo {

// The options with every zero filled in from the model and this machine's memory. Throws Error when
// an option is out of range or the cache can't hold one request of max_model_len.
EngineOptions complete(EngineOptions options, const StepModel& model);

}  // namespace octavo
