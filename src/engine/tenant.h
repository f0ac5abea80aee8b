#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include "octavo/engine.h"

namespace octavo {

// Who shares the engine with others. Each part has its own owner.
struct Tenant {
  std::string name;
  TenantLimits limits;

  // Load's, under its mutex.
  int64_t in_flight = 0, queued_tokens = 0;
  uint64_t last_used = 0;

  // The engine's thread.
  int64_t present = 0;  // its sequences in the stepper

  // Written by the engine's thread, read by any.
  std::atomic<int64_t> running{0}, requests{0}, prompt_tokens{0}, cached_tokens{0},
      generation_tokens{0};
  std::atomic<double> served{0};  // weighted tokens; see Fairness
};

}  // namespace octavo
