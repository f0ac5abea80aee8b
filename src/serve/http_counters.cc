#include "serve/http_counters.h"

namespace octavo::serve {

void HttpCounters::count(const std::string& handler, const std::string& method, int status) {
  const std::string group = std::to_string(status / 100) + "xx";
  const std::lock_guard lock(mutex_);
  ++counts_[{handler, method, group}];
}

void HttpCounters::write(std::string& out) const {
  const std::lock_guard lock(mutex_);
  out +=
      "# HELP http_requests_total Requests by route, method and status group.\n"
      "# TYPE http_requests_total counter\n";
  for (const auto& [key, count] : counts_) {
    out += "http_requests_total{handler=\"" + key[0] + "\",method=\"" + key[1] + "\",status=\"" +
           key[2] + "\"} " + std::to_string(count) + "\n";
  }
}

}  // namespace octavo::serve
