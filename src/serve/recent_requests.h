#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <vector>

#include "octavo/request.h"

namespace octavo::serve {

// A request that is over, for those who look at the engine.
struct EndedRequest {
  RequestId id = 0;
  std::string reason = {};
  std::chrono::steady_clock::time_point when = {};
  double queue_s = 0, prefill_s = 0, decode_s = 0, preempted_s = 0;
  int64_t prompt_tokens = 0, cached_tokens = 0, generated_tokens = 0;
};

// The latest of them. Any thread.
class RecentRequests {
 public:
  static constexpr size_t kMost = 128;

  void add(EndedRequest request);
  std::vector<EndedRequest> all() const;  // oldest first

 private:
  mutable std::mutex mutex_;  // guards requests_
  std::deque<EndedRequest> requests_;
};

}  // namespace octavo::serve
