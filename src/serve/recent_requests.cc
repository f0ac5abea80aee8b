#include "serve/recent_requests.h"

#include <utility>

namespace octavo::serve {

void RecentRequests::add(EndedRequest request) {
  const std::lock_guard lock(mutex_);
  if (requests_.size() == kMost) requests_.pop_front();
  requests_.push_back(std::move(request));
}

std::vector<EndedRequest> RecentRequests::all() const {
  const std::lock_guard lock(mutex_);
  return {requests_.begin(), requests_.end()};
}

}  // namespace octavo::serve
