#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>

namespace octavo::serve {

// Requests by route, method and group of status ("2xx"). Any thread.
class HttpCounters {
 public:
  void count(const std::string& handler, const std::string& method, int status);
  void write(std::string& out) const;  // as Prometheus reads them

 private:
  mutable std::mutex mutex_;  // guards counts_
  std::map<std::array<std::string, 3>, int64_t> counts_;
};

}  // namespace octavo::serve
